import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ServerControl, serverControl, streamSubprotocol } from '@tvm/api/rest/stream.ts';
import { microVms } from '@tvm/kit/kube/client.ts';
import { WebSocket } from 'ws';
import { eventually, type Harness, microVm, startHarness, testToken } from '../testing/harness.ts';

interface Conversation {
  socket: WebSocket;
  controls: ServerControl[];
  /** By channel. */
  output: Record<number, string>;
  last: Promise<ServerControl>;
}

function converse(harness: Harness, path: string, first: unknown): Conversation {
  const url = `${harness.url.replace('http', 'ws')}${path}`;
  const socket = new WebSocket(url, streamSubprotocol, { headers: { authorization: `Bearer ${testToken}` } });
  const controls: ServerControl[] = [];
  const output: Record<number, string> = { 1: '', 2: '' };
  socket.on('open', () => socket.send(typeof first === 'string' ? first : JSON.stringify(first)));
  socket.on('message', (data: Buffer, binary) => {
    if (!binary) controls.push(serverControl.parse(JSON.parse(data.toString())));
    else output[data[0] ?? 0] += data.subarray(1).toString();
  });
  const last = new Promise<ServerControl>((resolve, reject) => {
    socket.on('error', reject);
    socket.on('close', () => {
      const end = controls.at(-1);
      if (end) resolve(end);
      else reject(new Error('closed without a word'));
    });
  });
  last.catch(() => {});
  return { socket, controls, output, last };
}

const stdin = (text: string) => Buffer.concat([Buffer.of(0), Buffer.from(text)]);

async function refusal(
  harness: Harness,
  options: { path?: string; headers?: Record<string, string>; protocol?: string },
): Promise<number> {
  const { path = '/v1/execute', headers = {}, protocol = streamSubprotocol } = options;
  const authorization = `Bearer ${testToken}`;
  const socket = new WebSocket(`${harness.url}${path}`, protocol, { headers: { authorization, ...headers } });
  const status = await new Promise<number>((resolve) => {
    socket.on('unexpected-response', (_, response) => resolve(response.statusCode ?? 0));
    socket.on('open', () => resolve(101));
  });
  socket.on('error', () => {});
  socket.terminate();
  return status;
}

test('execute over a stream: stdin in, output out, exit code last', async () => {
  await using harness = await startHarness();
  const { socket, output, last, controls } = converse(harness, '/v1/execute', { code: 'err begin\ncat\nexit 5' });
  await eventually(() => controls.some(({ type }) => type === 'started'));
  socket.send(stdin('one '));
  socket.send(stdin('two'));
  socket.send(JSON.stringify({ type: 'closeStdin' }));
  const end = await last;
  assert.ok(end.type === 'exited' && end.exitCode === 5);
  assert.deepEqual(output, { 1: 'one two', 2: 'begin\n' });
});

test('what is wrong is told in the stream, and the stream closes', async () => {
  await using harness = await startHarness();
  for (const first of ['{', { code: 1 }, { code: 'x', nonsense: true }]) {
    const end = await converse(harness, '/v1/execute', first).last;
    assert.ok(end.type === 'error' && end.problem.code === 'invalid_argument', JSON.stringify(end));
  }
  const { socket, controls, last } = converse(harness, '/v1/execute', { code: 'hang' });
  await eventually(() => controls.some(({ type }) => type === 'started'));
  socket.send(JSON.stringify({ type: 'explode' }));
  const end = await last;
  assert.ok(end.type === 'error' && end.problem.code === 'invalid_argument', JSON.stringify(end));
});

test('who may not open a stream gets an HTTP answer', async () => {
  await using harness = await startHarness();
  assert.equal(await refusal(harness, { headers: { authorization: 'Bearer wrong-wrong-wrong-wrong' } }), 401);
  assert.equal(await refusal(harness, { headers: { origin: 'https://evil.example' } }), 403);
  assert.equal(await refusal(harness, { protocol: 'other' }), 400);
  assert.equal(await refusal(harness, { path: '/v1/microvms/none/exec' }), 404);
  assert.equal(await refusal(harness, { path: '/v1/else' }), 404);
  assert.equal(await refusal(harness, { path: '/v1/microvms/%FF/exec' }), 400);
  assert.equal(await refusal(harness, { path: '/v1/microvms/x/exec?namespace=..' }), 400);
  assert.equal(await refusal(harness, { headers: { origin: harness.url } }), 101);
});

test('a reader that does not read holds back the guest, and memory stays bounded', async () => {
  await using harness = await startHarness();
  const { socket, controls, last } = converse(harness, '/v1/execute', { code: 'forever', timeoutSeconds: 1 });
  await eventually(() => controls.some(({ type }) => type === 'started'));
  socket.pause();
  global.gc?.();
  const before = process.memoryUsage.rss();
  await new Promise((resolve) => setTimeout(resolve, 700));
  const grownBytes = process.memoryUsage.rss() - before;
  assert.ok(grownBytes < 64_000_000, `${grownBytes} bytes more`);
  // The run ends by its time although nobody reads.
  await eventually(() => [...harness.flintlock.machines.values()].every(({ used }) => !used));
  socket.resume();
  const end = await last;
  assert.ok(end.type === 'exited' && end.exitCode === 124);
});

test('a client that vanishes takes its run with it', async () => {
  await using harness = await startHarness();
  const { socket, controls } = converse(harness, '/v1/execute', { code: 'hang' });
  await eventually(() => controls.some(({ type }) => type === 'started'));
  socket.terminate();
  await eventually(() => [...harness.flintlock.machines.values()].every(({ used }) => !used));
});

test('exec in a declared machine', async () => {
  await using harness = await startHarness();
  const vm = await harness.kube.create(microVms, microVm('demo'));
  await eventually(() => harness.fleet.machine(vm.metadata.uid ?? '')?.machine.bootMs);
  const { socket, output, last, controls } = converse(harness, '/v1/microvms/demo/exec', {
    argv: ['fake', 'print hi\ncat'],
    terminal: { rows: 24, columns: 80 },
  });
  await eventually(() => controls.some(({ type }) => type === 'started'));
  socket.send(JSON.stringify({ type: 'resize', rows: 30, columns: 100 }));
  socket.send(stdin('x'));
  socket.send(JSON.stringify({ type: 'closeStdin' }));
  const end = await last;
  assert.ok(end.type === 'exited' && end.exitCode === 0);
  assert.equal(output[1], 'hi\nx');
  const started = controls.find((each) => each.type === 'started');
  assert.equal(started?.machine.id, vm.metadata.uid);
});

test('a client that leaves behind input which nobody read leaves no connection open', async () => {
  await using harness = await startHarness();
  const openSockets = () => process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;
  const before = openSockets();
  const { socket, controls, last } = converse(harness, '/v1/execute', { code: 'err begin\nexit 0' });
  socket.on('open', () => {
    for (let count = 0; count < 64; count++) socket.send(Buffer.alloc(65_536));
  });
  await eventually(() => controls.some(({ type }) => type === 'exited'));
  socket.terminate();
  await last;
  await eventually(() => openSockets() <= before);
});
