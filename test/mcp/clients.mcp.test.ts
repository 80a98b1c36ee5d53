// The clients that people use, before a session of a real service: the inspector's CLI and two Python libraries.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { environmentWith, readConfig } from '../config.ts';
import { startProgram } from '../e2e/program.ts';
import { obtainInspector, obtainPython } from './clients/obtain.ts';
import { connect, eras } from './connect.ts';
import { type ServiceWithSession, startServiceWithSession } from './machine-session.ts';

const { cacheFolder } = readConfig();
const timeoutMs = 600_000;
let running: ServiceWithSession;

before(async () => {
  running = await startServiceWithSession();
});
after(() => running?.[Symbol.asyncDispose]());

async function inspect(url: string, era: string, ...args: string[]): Promise<Record<string, unknown>> {
  const program = await obtainInspector(cacheFolder);
  const options = ['--transport', 'http', '--protocol-era', era, '--connect-timeout', '120000', '--format', 'json'];
  const header = ['--header', `Authorization: Bearer ${running.session.token}`];
  const all = [program, '--cli', url, ...options, '--quiet', ...header, ...args];
  const { code, stdout, stderr } = await startProgram(process.execPath, all, { env: environmentWith({}), timeoutMs })
    .finished;
  assert.equal(code, 0, `${stdout}${stderr}`);
  return JSON.parse(stdout) as Record<string, unknown>;
}

for (const era of eras) {
  test(`inspector, ${era}: lists and calls tools of the session and of a server in its machine`, async () => {
    const { session, fixture } = running;
    const own = JSON.stringify(await inspect(session.url, era, '--method', 'tools/list'));
    assert.match(own, /"run_command"/);
    const call = ['--method', 'tools/call', '--tool-name'];
    const command = ['run_command', '--tool-arg', 'command=echo $((6 * 7))'];
    assert.match(JSON.stringify(await inspect(session.url, era, ...call, ...command)), /42/);
    assert.match(JSON.stringify(await inspect(fixture.url, era, '--method', 'prompts/list')), /test_simple_prompt/);
    assert.match(
      JSON.stringify(await inspect(fixture.url, era, ...call, 'add', '--tool-arg', 'a=2', 'b=3')),
      /"sum":\s*5/,
    );
  });
}

for (const library of ['mcp', 'fastmcp']) {
  for (const mode of ['legacy', '2026-07-28']) {
    test(`Python ${library}, ${mode}: lists, calls, streams, cancels, subscribes`, async () => {
      const python = await obtainPython(cacheFolder);
      const script = new URL('./clients/drive.py', import.meta.url).pathname;
      const env = environmentWith({ TVM_TEST_TOKEN: running.session.token ?? '' });
      const args = [script, library, mode, running.session.url];
      const { code, stdout, stderr } = await startProgram(python, args, { env, timeoutMs }).finished;
      assert.equal(code, 0, stderr);
      const { steps, ...did } = JSON.parse(stdout) as Record<string, unknown>;
      // FastMCP offers no subscriptions in the revision of 2026.
      const subscribe = library === 'fastmcp' && mode !== 'legacy' ? {} : { subscribe: true };
      const expected = { list: true, call: '42\n', stream: 'line 1\nline 2\nline 3\n', cancel: true };
      assert.deepEqual(did, { ...expected, ...subscribe });
      assert.ok(Number(steps) > 0, 'no progress');
    });
  }
}

for (const era of eras) {
  test(`the library's own client, ${era}: a token that was rotated is refused, the new one works`, async () => {
    const { service, session } = running;
    await service.ok(['session', 'rotate', 'agent']);
    await assert.rejects(connect(session, era));
    session.token = (await service.ok(['session', 'token', 'agent'])).trim();
    const client = await connect(session, era);
    await client.close();
  });
}
