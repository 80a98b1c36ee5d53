// MCP sessions as an agent and its owner use them: by the command, and by clients of both revisions of the protocol.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import type { SessionToken, SessionView } from '@tvm/api/rest/sessions.ts';
import { killVmmOfBoot } from './host-facts.ts';
import { type Service, startService } from './service.ts';
import { until } from './until.ts';

let service: Service;
const clients: Client[] = [];

before(async () => {
  service = await startService();
  await service.ok(['session', 'create', 'agent'], { timeoutMs: 300_000 });
});
after(async () => {
  for (const client of clients) await client.close();
  await service?.[Symbol.asyncDispose]();
});

const connectionOf = async (name: string): Promise<SessionToken> =>
  JSON.parse(await service.ok(['session', 'connect', name, '--json']));

async function open({ url, token }: SessionToken, era: 'legacy' | 'modern' = 'modern'): Promise<Client> {
  const mode = era === 'legacy' ? ('legacy' as const) : { pin: '2026-07-28' };
  const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode } });
  const requestInit = { headers: { authorization: `Bearer ${token}` } };
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit }));
  clients.push(client);
  return client;
}

/** Runs it in the machine: what it printed, or what the tool says of its failure. */
async function run(client: Client, command: string): Promise<string> {
  const result = await client.callTool({ name: 'run_command', arguments: { command } });
  const printed = result.structuredContent as { stdout?: string } | undefined;
  return printed?.stdout ?? JSON.stringify(result.content);
}

async function sessionOf(name: string): Promise<SessionView | undefined> {
  const response = await service.rest(`/v1/sessions/${name}`);
  return response.status === 200 ? ((await response.json()) as SessionView) : undefined;
}

const stateOf = async (name: string) => (await sessionOf(name))?.status.state;

test('an agent works in a machine of its own, whichever revision its client speaks', async () => {
  const connection = await connectionOf('agent');
  const [legacy, modern] = [await open(connection, 'legacy'), await open(connection)];
  await run(legacy, 'echo kept > /root/file');
  assert.equal(await run(modern, 'cat /root/file'), 'kept\n');
  assert.match(await run(modern, 'hostname'), /^agent-/);
  await service.ok(['session', 'create', 'other'], { timeoutMs: 300_000 });
  const other = await open(await connectionOf('other'));
  assert.equal(await run(other, 'cat /root/file 2>/dev/null || echo none'), 'none\n');
  const { url } = connection;
  const { token } = await connectionOf('other');
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  assert.equal((await fetch(url, { method: 'POST', headers, body: '{}' })).status, 401);
  await service.ok(['session', 'end', 'other']);
  assert.doesNotMatch(await service.ok(['list']), /other-/);
});

test('code of every language where no image was named; an image without one says what to do', async () => {
  const client = await open(await connectionOf('agent'));
  const runCode = async (of: Client, language: string, code: string) =>
    JSON.stringify(await of.callTool({ name: 'run_code', arguments: { language, code } }));
  assert.match(await runCode(client, 'python', '6 * 7'), /"results":\[\{"text":"42"/);
  assert.match(await runCode(client, 'node', '6 * 7'), /"results":\[\{"text":"42"/);
  assert.match(await runCode(client, 'bash', 'echo $((6 * 7))'), /"stdout":"42/);
  await service.ok(['session', 'create', 'snakes', '--image', 'tvm/python'], { timeoutMs: 300_000 });
  const snakes = await open(await connectionOf('snakes'));
  assert.match(await runCode(snakes, 'node', '6 * 7'), /LanguageMissing.*an image that has it: tvm\/node/);
  await service.ok(['session', 'end', 'snakes']);
});

test('the machine of a session has the limits and the network that the session asks for', async () => {
  const asked = ['--limit', 'processes=40', '--egress', 'open'];
  await service.ok(['session', 'create', 'bounded', ...asked], { timeoutMs: 300_000 });
  const client = await open(await connectionOf('bounded'));
  const forks = 'for i in $(seq 80); do sleep 60 & done 2>/dev/null; jobs -p | wc -l';
  const started = await run(client, `timeout -s KILL 10 bash -c '${forks}'; echo over`);
  assert.ok(!/^80$/m.test(started), started);
  const { contents } = await client.readResource({ uri: 'vm://self/policy' });
  const policy = JSON.parse((contents[0] as { text: string }).text);
  assert.deepEqual([policy.limits, policy.network], [{ processes: 40 }, { egress: 'open' }]);
  await service.ok(['session', 'end', 'bounded']);
});

test('a server that an agent starts is reached by a URL', async () => {
  const client = await open(await connectionOf('agent'));
  const serve = 'python3 -m http.server 8000 --directory site > /dev/null 2>&1 &';
  await run(client, `mkdir site; echo hello > site/page; ${serve}`);
  const { structuredContent } = await client.callTool({ name: 'expose_port', arguments: { port: 8000 } });
  const { url } = structuredContent as { url: string };
  const page = await until('it is served', async () => {
    const response = await fetch(`${url}page`);
    return response.status === 200 && (await response.text());
  });
  assert.equal(page, 'hello\n');
});

test('its token is in no log', async () => {
  const { token } = await connectionOf('agent');
  const { stdout } = await service.program('grep', ['-rlF', token, service.home]).finished;
  const files = stdout.split('\n').filter((file) => file !== '' && !file.includes('/apiserver/'));
  assert.deepEqual(files, [], 'it is in the objects, and nowhere else');
});

test('lime-ctrl is killed: the same token goes on', async () => {
  const connection = await connectionOf('agent');
  const pid = service.pidOf('lime-ctrl');
  process.kill(pid, 'SIGKILL');
  await until('another lime-ctrl serves', () => service.state().parts['lime-ctrl']?.pid !== pid);
  await service.untilServes();
  assert.equal(await run(await open(connection), 'cat /root/file'), 'kept\n');
});

test('its machine dies: the next answer says so and what to do, a later one works in the new machine', async () => {
  const client = await open(await connectionOf('agent'));
  const bootId = (await run(client, 'cat /proc/sys/kernel/random/boot_id')).trim();
  killVmmOfBoot(service.home, bootId);
  const told: string[] = [];
  await until('it works again', async () => {
    const said = await run(client, 'cat /root/file 2>/dev/null || echo none').catch((error: Error) => error.message);
    if (said !== 'none\n') told.push(said);
    return said === 'none\n';
  });
  assert.match(told[0] ?? '', /VmmExited|started anew/);
  assert.match(told.join(' '), /(are lost|are gone).*[Cc]all again/);
  assert.equal(await stateOf('agent'), 'Ready');
  await until('it is told', async () => {
    return /Warning\s+VmmExited\s+mcpsession\/agent/.test((await service.kubectl('get', 'events')).stdout);
  });
});

test('an idle machine rests, and goes on where it was; a session that nobody calls ends', async () => {
  await service.ok(['session', 'create', 'brief', '--idle-timeout', '40'], { timeoutMs: 300_000 });
  const connection = await connectionOf('brief');
  const client = await open(connection);
  await run(client, 'echo kept > /dev/shm/file');
  await until('it rests', async () => (await stateOf('brief')) === 'Idle');
  assert.equal(await run(client, 'cat /dev/shm/file'), 'kept\n');
  await until('it is over', async () => (await stateOf('brief')) === 'Expired', 150_000);
  await until('its machine is gone', async () => !(await service.ok(['list'])).includes('brief-'));
  const headers = { authorization: `Bearer ${connection.token}`, 'content-type': 'application/json' };
  const refused = await fetch(connection.url, { method: 'POST', headers, body: '{}' });
  assert.equal(refused.status, 401);
  assert.match(refused.headers.get('www-authenticate') ?? '', /not called for 40 s/);
  const { code, stderr } = await service.vvm(['session', 'connect', 'brief']);
  assert.deepEqual([code, /is over/.test(stderr)], [1, true]);
});

test('a machine that is there already, with fewer scopes; rotate; end leaves it', async () => {
  await service.ok(['create', 'demo', '--mcp'], { timeoutMs: 300_000 });
  await service.ok(['session', 'create', 'reader', '--vm', 'demo', '--scope', 'vm:read', '--scope', 'vm:files']);
  const connection = await connectionOf('reader');
  const client = await open(connection);
  const names = (await client.listTools()).tools.map(({ name }) => name);
  assert.ok(names.includes('read_file') && !names.includes('run_command'), names.join(' '));
  await service.ok(['session', 'rotate', 'reader']);
  await assert.rejects(open(connection), /401|authorization/i);
  await open(await connectionOf('reader'));
  await service.ok(['session', 'end', 'reader']);
  assert.match(await service.ok(['list']), /demo\s.*Running/);
  await service.ok(['create', 'closed'], { timeoutMs: 300_000 });
  const refused = await service.vvm(['session', 'create', '--vm', 'closed', '--timeout', '3']);
  assert.deepEqual([refused.code, /mcpMode: true/.test(refused.stderr)], [1, true]);
});
