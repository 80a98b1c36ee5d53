import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import test from 'node:test';
import { makeLocalMachine } from '../testing/local-machine.ts';
import { eras, startEndpoint } from '../testing/mcp-endpoint.ts';
import { unanswered } from './server/transport/lost-answer.ts';

const initialize = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } },
};
const json = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };

const post = (url: string, body: unknown, headers: Record<string, string> = {}) =>
  fetch(url, {
    method: 'POST',
    headers: { ...json, ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });

/** The messages of an SSE answer that has ended, with the ids of their events. */
function events(text: string): { id: string; message: { id?: number; method?: string; result?: unknown } }[] {
  return text
    .split('\n\n')
    .map((block) => ({ id: /^id: (.*)$/m.exec(block)?.[1] ?? '', data: /^data: (\{.*)$/m.exec(block)?.[1] }))
    .flatMap(({ id, data }) => (data === undefined ? [] : [{ id, message: JSON.parse(data) }]));
}

async function openConnection(url: string): Promise<string> {
  const response = await post(url, initialize);
  await response.text();
  return response.headers.get('mcp-session-id') ?? '';
}

const call = (id: number, command: string, progressToken?: string) => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name: 'run_command', arguments: { command }, ...(progressToken && { _meta: { progressToken } }) },
});

for (const era of eras) {
  test(`${era}: a client lists tools and calls one`, { timeout: 20_000 }, async () => {
    await using endpoint = await startEndpoint();
    const client = await endpoint.connect(era);
    const { tools } = await client.listTools();
    assert.ok(tools.length > 20);
    for (const { name, title, icons, inputSchema, outputSchema, annotations } of tools) {
      assert.ok(title);
      assert.match(icons?.[0]?.src ?? '', /^data:image\/svg\+xml;base64,/);
      assert.match(name, /^[a-z_]+$/);
      assert.equal(inputSchema.type, 'object');
      assert.equal((outputSchema as { type: string }).type, 'object');
      assert.equal(typeof annotations?.readOnlyHint, 'boolean');
    }
    const result = await client.callTool({ name: 'vm_status', arguments: {} });
    assert.equal((result.structuredContent as { image: string }).image, 'tvm/python');
    assert.equal(result.isError ?? false, false);
    await assert.rejects(client.callTool({ name: 'no_such_tool', arguments: {} }));
  });
}

test('2025-11-25: a stream that was lost is resumed', { timeout: 20_000 }, async () => {
  await using endpoint = await startEndpoint();
  const session = { 'mcp-session-id': await openConnection(endpoint.url), 'mcp-protocol-version': '2025-11-25' };
  const leave = new AbortController();
  const first = await fetch(endpoint.url, {
    method: 'POST',
    headers: { ...json, ...session },
    body: JSON.stringify(call(7, 'echo one; sleep 1; echo two', 'token')),
    signal: leave.signal,
  });
  let seen = '';
  for await (const chunk of first.body ?? []) {
    seen += Buffer.from(chunk).toString();
    if (seen.includes('one')) break;
  }
  leave.abort();
  const lastId = [...seen.matchAll(/^id: (.*)$/gm)].at(-1)?.[1] ?? '';
  const resumed = await fetch(endpoint.url, {
    headers: { accept: 'text/event-stream', ...session, 'last-event-id': lastId },
  });
  assert.equal(resumed.status, 200);
  const rest = events(await resumed.text());
  const result = rest.find(({ message }) => message.id === 7)?.message.result as {
    structuredContent: { stdout: string };
  };
  assert.equal(result.structuredContent.stdout, 'one\ntwo\n');
  const numberOf = (id: string) => Number.parseInt(id.split('-')[1] ?? '', 10);
  assert.ok(rest.every(({ id }) => numberOf(id) > numberOf(lastId)));
});

test('2025-11-25: an event that is not known resumes nothing', { timeout: 20_000 }, async () => {
  await using endpoint = await startEndpoint();
  const session = { 'mcp-session-id': await openConnection(endpoint.url) };
  for (const id of ['999', '-1', '__proto__', '1e3']) {
    const headers = { accept: 'text/event-stream', ...session, 'last-event-id': id };
    assert.equal((await fetch(endpoint.url, { headers })).status, 400);
  }
});

test('2025-11-25: another replica, or this one after a restart, goes on with the connection', {
  timeout: 20_000,
}, async () => {
  await using local = makeLocalMachine();
  const key = randomBytes(32);
  const given = { local: { ...local, async [Symbol.asyncDispose]() {} }, keys: async () => [key] };
  await using one = await startEndpoint(given);
  const built: object[] = [];
  await using two = await startEndpoint({ ...given, extension: { extend: (server) => void built.push(server) } });
  const session = { 'mcp-session-id': await openConnection(one.url) };
  const answers = await Promise.all([3, 4, 5].map((id) => post(two.url, call(id, 'echo there'), session)));
  for (const answer of answers) assert.match(await answer.text(), /there/);
  assert.equal(built.length, 1);
  const gone = { accept: 'text/event-stream', ...session, 'last-event-id': '0123456789ab-3' };
  const stream = await fetch(two.url, { headers: gone });
  assert.equal(stream.status, 200, 'an event of a connection that is gone: the client listens anew');
  await stream.body?.cancel();
  two.context = { ...two.context, caller: 'mallory' };
  assert.equal((await post(two.url, call(4, 'id'), session)).status, 404);
  two.context = { ...two.context, caller: 'alice', scopes: new Set(['vm:read'] as const) };
  assert.equal((await post(two.url, { jsonrpc: '2.0', id: 5, method: 'tools/list' }, session)).status, 404);
});

test('2025-11-25: a connection that was ended is not there any more, and its calls are answered', {
  timeout: 20_000,
}, async () => {
  await using endpoint = await startEndpoint();
  const session = { 'mcp-session-id': await openConnection(endpoint.url) };
  const open = await post(endpoint.url, call(7, 'sleep 60'), session);
  const ended = await fetch(endpoint.url, { method: 'DELETE', headers: session });
  assert.equal(ended.status, 200);
  const told = events(await open.text()).find(({ message }) => message.id === 7)?.message as { error?: unknown };
  assert.deepEqual(told.error, unanswered);
  assert.equal((await post(endpoint.url, call(2, 'id'), session)).status, 404);
});

test('2025-11-25: connections that are in use are not ended for others', { timeout: 30_000 }, async () => {
  await using endpoint = await startEndpoint();
  const listen = async () => {
    const session = { 'mcp-session-id': await openConnection(endpoint.url) };
    return fetch(endpoint.url, { headers: { accept: 'text/event-stream', ...session } });
  };
  const streams: Response[] = [];
  for (let at = 0; at < 64; at += 1) streams.push(await listen());
  assert.equal((await post(endpoint.url, initialize)).status, 429);
  await streams[0]?.body?.cancel();
  while ((await post(endpoint.url, initialize)).status === 429) await new Promise((resolve) => setTimeout(resolve, 20));
  for (const stream of streams.slice(1)) await stream.body?.cancel();
});

test('requests that are none', { timeout: 20_000 }, async () => {
  await using endpoint = await startEndpoint();
  const { url } = endpoint;
  assert.equal((await post(url, '{')).status, 400);
  assert.equal((await post(url, 'x'.repeat(4_200_000))).status, 413);
  assert.equal((await post(url, initialize, { 'content-type': 'text/plain' })).status, 415);
  assert.equal((await post(url, call(1, 'id'))).status, 400);
  assert.equal((await post(url, call(1, 'id'), { 'mcp-session-id': 'made-up' })).status, 404);
  assert.equal((await fetch(url, { headers: { accept: 'text/event-stream' } })).status, 400);
  const modern = { 'mcp-protocol-version': '2026-07-28' };
  for (const method of ['GET', 'DELETE']) assert.equal((await fetch(url, { method, headers: modern })).status, 405);
  const large = {
    ...initialize,
    params: { ...initialize.params, clientInfo: { name: 'x'.repeat(9_000), version: '1' } },
  };
  assert.equal((await post(url, large)).status, 400);
});

test('a token without the scope is told which one it lacks', { timeout: 20_000 }, async () => {
  await using endpoint = await startEndpoint({ context: { scopes: new Set(['vm:read'] as const) } });
  const session = { 'mcp-session-id': await openConnection(endpoint.url) };
  const refused = await post(endpoint.url, call(2, 'id'), session);
  assert.equal(refused.status, 403);
  assert.match(refused.headers.get('www-authenticate') ?? '', /insufficient_scope.*scope="vm:exec"/);
});

test('more calls at once than a session may have', { timeout: 20_000 }, async () => {
  await using endpoint = await startEndpoint();
  const client = await endpoint.connect('modern');
  const stop = new AbortController();
  const slow = { name: 'run_command', arguments: { command: 'exec sleep 100' } };
  const calls = Array.from({ length: 32 }, () => client.callTool(slow, { signal: stop.signal }));
  const running = () => endpoint.local.processes.list().filter(({ exited }) => !exited).length;
  while (running() < 32) await new Promise((resolve) => setTimeout(resolve, 20));
  const { isError, content } = await client.callTool({ name: 'run_command', arguments: { command: 'id' } });
  assert.equal(isError, true);
  assert.match(JSON.stringify(content), /32 calls of this session/);
  stop.abort();
  await Promise.allSettled(calls);
  while (running() > 0) await new Promise((resolve) => setTimeout(resolve, 20));
});
