// One request through two processes is one trace, from REST to the process in the guest; and without being asked for, nothing is.
import assert from 'node:assert/strict';
import { fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { streamSubprotocol } from '@tvm/api/rest/stream.ts';
import { tracedCalls } from '@tvm/kit/tracing/rpc.ts';
import { openTracing, type Tracing } from '@tvm/kit/tracing/tracing.ts';
import { connectFlintlock, type FlintlockConnection } from '@tvm/lime-ctrl/flintlock/client.ts';
import { eventually, type Harness, postJson, startHarness, testToken } from '@tvm/lime-ctrl/testing/harness.ts';
import { WebSocket } from 'ws';
import { type Collector, type ReceivedSpan, startCollector } from './collector.ts';

const flintlockMain = fileURLToPath(new URL('../../flintlock/main.ts', import.meta.url));
const kit = fileURLToPath(new URL('../../kit', import.meta.url));
const home = mkdtempSync(join(tmpdir(), 'tvm-trace-'));
const traceId = 'abcdef0123456789abcdef0123456789';
const callerSpan = '0123456789abcdef';
const secret = 'sesame-open';

let collector: Collector;
let tracing: Tracing;
let connection: FlintlockConnection;
let lime: Harness;
let flintlock: ReturnType<typeof fork>;

before(async () => {
  collector = await startCollector();
  const env = { ...process.env, TVM_HOME: home, TVM_DRIVER: 'fake', TVM_LOG_LEVEL: 'error', TVM_TEMPLATES: 'off' };
  flintlock = fork(flintlockMain, { execArgv: [], env: { ...env, OTEL_EXPORTER_OTLP_ENDPOINT: collector.url } });
  // OpenTelemetry's own code reads it.
  process.env.OTEL_EXPORTER_OTLP_ENDPOINT = collector.url;
  tracing = await openTracing({ service: 'lime-ctrl', version: 'test', ratio: 1 });
  await once(flintlock, 'message');
  connection = connectFlintlock(`unix:${home}/run/flintlock.sock`, undefined, [tracedCalls(tracing)]);
  lime = await startHarness({ client: connection.client, tracing });
});

after(async () => {
  await lime?.[Symbol.asyncDispose]();
  connection?.close();
  flintlock?.kill('SIGKILL');
  await tracing?.[Symbol.asyncDispose]();
  await collector?.[Symbol.asyncDispose]();
  rmSync(home, { recursive: true });
});

/** The span, when it is there with all that it belongs to: names from the outside in, as `service name`. */
function pathOf(spans: ReceivedSpan[], name: string): string[] | undefined {
  const path: string[] = [];
  let span = spans.find((each) => each.name === name);
  for (; span; span = spans.find(({ spanId }) => spanId === span?.parentSpanId))
    path.unshift(`${span.service} ${span.name}`);
  return path[0]?.startsWith('lime-ctrl') ? path : undefined;
}

const inTrace = (id: string) => collector.spans.filter((span) => span.traceId === id);

test('a run over REST is one trace, which its caller may have begun', async () => {
  const request = postJson({ code: `echo ${secret}`, language: 'bash', env: { TOKEN: secret } });
  const traceparent = `00-${traceId}-${callerSpan}-01`;
  const response = await lime.fetch('/v1/execute', {
    ...request,
    headers: { 'content-type': 'application/json', traceparent },
  });
  assert.equal(response.status, 200);
  assert.equal(((await response.json()) as { stdout: string }).stdout, `${secret}\n`);
  const spans: ReceivedSpan[] = await eventually(() => {
    const found = inTrace(traceId);
    const names = ['POST /v1/execute', 'guest.process', 'guest.configure', 'claim'];
    return names.every((name) => pathOf(found, name)) ? found : undefined;
  });
  const root = ['lime-ctrl POST /v1/execute', 'lime-ctrl execute'];
  const rpc = (name: string) => [
    `lime-ctrl tvm.flintlock.v1.Flintlock/${name}`,
    `flintlock tvm.flintlock.v1.Flintlock/${name}`,
  ];
  assert.equal(spans.find(({ name }) => name === 'POST /v1/execute')?.parentSpanId, callerSpan);
  assert.deepEqual(pathOf(spans, 'claim'), [...root, 'lime-ctrl claim']);
  assert.deepEqual(pathOf(spans, 'guest.process'), [...root, ...rpc('Exec'), 'flintlock guest.process']);
  assert.deepEqual(pathOf(spans, 'guest.configure'), [
    ...[...root, 'lime-ctrl make', ...rpc('CreateMachine')],
    ...['flintlock machine.configureGuest', 'flintlock guest.configure'],
  ]);
  assert.equal(spans.find(({ name }) => name === 'guest.process')?.attributes['tvm.exit_code'], 0);
  assert.equal(spans.find(({ name }) => name === 'execute')?.attributes['tvm.start'], 'booted');
});

test('a stream over a WebSocket is a trace of its own, however it ends', async () => {
  const socket = new WebSocket(`${lime.url.replace('http', 'ws')}/v1/execute`, [streamSubprotocol], {
    headers: { authorization: `Bearer ${testToken}` },
  });
  await once(socket, 'open');
  socket.send(JSON.stringify({ code: 'exit 3', language: 'bash' }));
  socket.on('message', () => undefined);
  await once(socket, 'close');
  const path = await eventually(() => {
    const root = collector.spans.find(({ name }) => name === 'CONNECT /v1/execute');
    return root && pathOf(inTrace(root.traceId), 'guest.process');
  });
  assert.deepEqual(path.slice(0, 2), ['lime-ctrl CONNECT /v1/execute', 'lime-ctrl execute']);
});

test('a request that is refused is a failed answer of its route; nothing that a caller gave is told', async () => {
  const asked = lime.fetch(`/v1/microvms/${secret}?namespace=default`, {
    headers: { authorization: `Bearer ${secret}` },
  });
  assert.equal((await asked).status, 401);
  await eventually(() => collector.spans.some(({ attributes }) => attributes['http.response.status_code'] === 401));
  assert.doesNotMatch(collector.raw(), new RegExp(secret));
});

test('without being asked for, nothing of OpenTelemetry is loaded', () => {
  const code = `
    await import(${JSON.stringify(join(kit, 'tracing/tracing.ts'))});
    await import(${JSON.stringify(join(kit, 'tracing/rpc.ts'))});
    const loaded = process.getBuiltinModule('module');
    const { registerHooks } = loaded;
    registerHooks({ resolve: (name, context, next) => { if (/opentelemetry\\/(?!api)/.test(name)) console.log(name); return next(name, context); } });
    await import(${JSON.stringify(join(kit, '../flintlock/flintlock.ts'))});
  `;
  const run = spawnSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8', cwd: kit });
  assert.deepEqual([run.status, run.stdout, run.stderr], [0, '', '']);
});
