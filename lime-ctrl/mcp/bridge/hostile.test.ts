// Servers that misbehave, callers that try what is not theirs, files that are unsound.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { modernRequest, script, startBridge } from '../../testing/mcp-bridge.ts';

const options = { timeout: 30_000 };

/** Says hello in the modern way and then does what follows. */
const afterHello = (source: string) =>
  script(`
    const say = (value) => process.stdout.write(JSON.stringify(value) + '\\n');
    require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
      const { id, method } = JSON.parse(line);
      const result = { resultType: 'complete', supportedVersions: ['2026-07-28'], capabilities: {} };
      if (method === 'server/discover') return say({ jsonrpc: '2.0', id, result });
      ${source}
    });`);

const messageOf = (answer: Record<string, unknown>) => (answer.error as { message: string }).message;

test('a server that ends at once: why, and what it said', options, async () => {
  await using bridge = await startBridge();
  bridge.declare({ broken: script("console.error('no key is set'); process.exit(4)"), none: { command: 'no-such' } });
  assert.match(messageOf(await bridge.call('broken', 'tools/list')), /ended: exit code 4.*no key is set/);
  assert.match(messageOf(await bridge.call('none', 'tools/list')), /ended/);
});

test('lines that are no messages are passed over, until there are too many', options, async () => {
  await using bridge = await startBridge();
  const banner = "console.log('Welcome!'); console.log('{\"jsonrpc\":\"1.0\"}'); console.log('');";
  bridge.declare({
    banner: afterHello(`${banner} say({ jsonrpc: '2.0', id, result: { tools: [] } })`),
    flood: afterHello("for (let at = 0; at < 2000; at++) console.log('x'.repeat(50))"),
  });
  assert.deepEqual((await bridge.call('banner', 'tools/list')).result, { tools: [] });
  assert.match(
    messageOf(await bridge.call('flood', 'tools/list')),
    /more than 1000 lines of its stdout are no messages/,
  );
});

test('a line without an end, and one that is too long, end the server', options, async () => {
  await using bridge = await startBridge({ childBounds: { lineBytes: 100_000 } });
  bridge.declare({
    endless: afterHello("setInterval(() => process.stdout.write('x'.repeat(50_000)), 1)"),
    long: afterHello("say({ jsonrpc: '2.0', id, result: { text: 'x'.repeat(200_000) } })"),
  });
  for (const name of ['endless', 'long']) {
    assert.match(messageOf(await bridge.call(name, 'tools/list')), /a line of its output has more than 100000 bytes/);
  }
});

test('answers to nothing, to others, twice and of the wrong shape change nothing', options, async () => {
  await using bridge = await startBridge();
  bridge.declare({
    liar: afterHello(`
      say({ jsonrpc: '2.0', id: 4711, result: { stolen: true } });
      say({ jsonrpc: '2.0', id: [id], result: {} });
      say({ jsonrpc: '2.0', id, result: 'text' });
      say({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 4711, progress: 1 } });
      say({ jsonrpc: '2.0', method: 'notifications/x', params: { _meta: { 'io.modelcontextprotocol/subscriptionId': 9 } } });
      say({ jsonrpc: '2.0', id: 'theirs', method: 'elicitation/create', params: {} });
      say({ jsonrpc: '2.0', id, result: { ok: true } });
      say({ jsonrpc: '2.0', id, result: { ok: false } });`),
  });
  assert.deepEqual((await bridge.call('liar', 'tools/list')).result, { ok: true });
});

test('a client that does not read is cut off, and its server goes on', options, async () => {
  await using bridge = await startBridge();
  bridge.declare({
    torrent: afterHello(`
      if (method === 'notifications/cancelled') return clearInterval(globalThis.timer);
      if (method === 'tools/list') return say({ jsonrpc: '2.0', id, result: { tools: [] } });
      const params = { progressToken: id, progress: 1, message: 'x'.repeat(20_000) };
      globalThis.timer = setInterval(() => say({ jsonrpc: '2.0', method: 'notifications/progress', params }), 1);`),
  });
  const call = modernRequest('tools/call', { name: 'x', _meta: { progressToken: 1 } });
  const withToken = JSON.parse(String(call.body));
  withToken.params._meta.progressToken = 1;
  const response = await fetch(bridge.url('torrent'), { ...call, body: JSON.stringify(withToken) });
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.deepEqual((await bridge.call('torrent', 'tools/list')).result, { tools: [] });
  await response.body?.cancel();
});

test('a server that does not read its stdin is ended', options, async () => {
  await using bridge = await startBridge({ childBounds: { unreadBytes: 500_000 } });
  bridge.declare({
    deaf: afterHello('process.stdin.pause();'),
  });
  const big = { name: 'x', arguments: { text: 'x'.repeat(1_000_000) } };
  const answers = await Promise.all([1, 2, 3].map(() => bridge.call('deaf', 'tools/call', big)));
  for (const answer of answers) assert.match(messageOf(answer), /does not read what is sent to it/);
});

test('a name that is not written down, and files that are unsound', options, async () => {
  await using bridge = await startBridge();
  assert.match(messageOf(await bridge.call('other', 'tools/list')), /no MCP server other.*legacy, modern/);
  assert.match(messageOf(await bridge.call('__proto__', 'tools/list')), /no MCP server __proto__/);
  const file = join(bridge.local.root, 'run/tvm/mcp-servers.json');
  for (const text of ['', '{', '[]', '{"servers":{"x":{}}}', '{"servers":{"x":{"command":7}}}']) {
    writeFileSync(file, text);
    assert.match(messageOf(await bridge.call('x', 'tools/list')), /mcp-servers.json in the machine is unsound/, text);
  }
});

test("a connection is its caller's: not of another caller, session or server", options, async () => {
  await using bridge = await startBridge();
  const client = await bridge.connect('legacy', 'legacy');
  const id = (client.transport as { sessionId?: string }).sessionId ?? '';
  const attempt = async (server: string) => {
    const headers = {
      accept: 'application/json, text/event-stream',
      'content-type': 'application/json',
      'mcp-session-id': id,
    };
    const body = JSON.stringify({ jsonrpc: '2.0', id: 7, method: 'ping' });
    return (await fetch(bridge.url(server), { method: 'POST', headers, body })).status;
  };
  assert.equal(await attempt('legacy'), 200);
  assert.equal(await attempt('modern'), 404);
  const own = bridge.context;
  bridge.context = { ...own, caller: 'bob' };
  assert.equal(await attempt('legacy'), 404);
  bridge.context = { ...own, session: { ...own.session, uid: 'session-2' } };
  assert.equal(await attempt('legacy'), 404);
  bridge.context = { ...own, scopes: new Set(['vm:read', 'vm:files']) };
  assert.equal(await attempt('legacy'), 403);
});

test("a state that was not given out, was used, or is another call's is refused", options, async () => {
  await using bridge = await startBridge();
  const call = (params: object) => bridge.call('legacy', 'tools/call', { name: 'ask', arguments: {}, ...params });
  const forged = await call({ requestState: 'x', inputResponses: {} });
  assert.match(messageOf(forged), /Invalid or expired requestState/);
  const { result } = (await call({})) as { result: { requestState: string; inputRequests: Record<string, unknown> } };
  assert.equal(Object.keys(result.inputRequests).length, 2);
  const { requestState } = result;
  const again = (await call({ requestState, inputResponses: { 'input-1': 7 } })) as typeof forged & {
    result: typeof result;
  };
  assert.equal(Object.keys(again.result.inputRequests).length, 2);
  assert.notEqual(again.result.requestState, requestState);
  assert.match(messageOf(await call({ requestState, inputResponses: {} })), /Invalid or expired/);
  const responses = Object.fromEntries(
    Object.keys(result.inputRequests).map((key) => [key, { action: 'accept', content: { name: key } }]),
  );
  const last = await call({ requestState: again.result.requestState, inputResponses: { ...responses, other: {} } });
  assert.match(JSON.stringify(last.result), /input-1.*input-2/);
});

test('unsound requests of 2026-07-28 are refused before a server is started', options, async () => {
  await using bridge = await startBridge();
  const sound = modernRequest('tools/call', { name: 'echo', arguments: {} });
  const status = async (change: Record<string, string>, init: RequestInit = {}) => {
    const headers = { ...(sound.headers as Record<string, string>), ...change };
    return (await fetch(bridge.url('modern'), { ...sound, headers, ...init })).status;
  };
  assert.equal(await status({ 'mcp-name': 'other' }), 400);
  assert.equal(await status({ 'mcp-name': '=?base64?!!?=' }), 400);
  assert.equal(await status({ 'mcp-method': 'tools/list' }), 400);
  assert.equal(await status({ 'mcp-protocol-version': '2027-01-01' }), 400);
  assert.equal(await status({ 'content-type': 'text/plain' }), 415);
  assert.equal(await status({}, { body: '{' }), 400);
  assert.equal(await status({}, { body: '[]' }), 400);
  assert.equal(await status({}, { body: `"${'x'.repeat(5_000_000)}"` }), 413);
  assert.equal(await status({}, { method: 'GET', body: null }), 405);
  assert.equal(bridge.bridge.size, 0);
  assert.equal(await status({ 'mcp-name': '=?base64?ZWNobw==?=' }), 200);
});
