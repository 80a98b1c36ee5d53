import assert from 'node:assert/strict';
import { duplexPair } from 'node:stream';
import { test } from 'node:test';
import { TvmError } from '@tvm/api/errors.ts';
import { connect } from './connect.ts';
import { readFile } from './files.ts';
import { ping } from './machine.ts';
import type { OutputBody } from './output-queue.ts';
import { runProcess } from './processes.ts';
import { connectScripted, frameBytes, ScriptedGuest } from './testing/scripted-guest.ts';
import { maxChunkBytes, streamWindowBytes } from './wire.ts';

const chunk = new Uint8Array(maxChunkBytes);

test('a guest that boots late is reached by a repeated preamble', async () => {
  const [host, far] = duplexPair();
  const connecting = connect(host, { timeoutMs: 5000 });
  far.write('console noise TVMSYNC2 and an old answer');
  await new Promise((resolve) => setTimeout(resolve, 250));
  const guest = new ScriptedGuest(far);
  await using connection = await connecting;
  const answer = ping(connection);
  const { stream } = await guest.next();
  guest.output(stream, { case: 'pong', value: { agentVersion: 'x' } });
  guest.end(stream);
  assert.equal((await answer).agentVersion, 'x');
});

test('connecting ends with a typed error: silence, cancellation, a lost channel', async () => {
  await assert.rejects(connect(duplexPair()[0], { timeoutMs: 20 }), { code: 'deadline_exceeded' });
  const aborted = AbortSignal.abort();
  await assert.rejects(connect(duplexPair()[0], { timeoutMs: 5000, signal: aborted }), { code: 'canceled' });
  const [host, far] = duplexPair();
  const connecting = connect(host, { timeoutMs: 5000 });
  far.end();
  await assert.rejects(connecting, { code: 'unavailable' });
  assert.ok(host.destroyed);
});

test('a failure of the guest keeps code and reason; an unknown code is internal, an odd reason none', async () => {
  const { connection, guest } = await connectScripted();
  for (const [sent, expected] of [
    [['not_found', 'ProgramNotStarted'], { code: 'not_found', reason: 'ProgramNotStarted' }],
    [['weird', ''], { code: 'internal', reason: undefined }],
    [['not_found', 'not a\nword'], { code: 'not_found', reason: undefined }],
  ] as const) {
    const call = ping(connection);
    const [code, reason] = sent;
    guest.end((await guest.next()).stream, code, 'no such thing', reason);
    await assert.rejects(call, { ...expected, message: 'no such thing' });
  }
  connection.close();
});

test('credit returns only as chunks are taken', async () => {
  const { connection, guest } = await connectScripted();
  const call = connection.call({ case: 'startProcess', value: { argv: ['x'] } });
  const { stream } = await guest.next();
  for (let index = 0; index < 4; index++) guest.output(stream, { case: 'stdout', value: chunk });
  const answers = call[Symbol.asyncIterator]();
  await ping2(connection, guest);
  assert.deepEqual(guest.received, []);
  await answers.next();
  const update = await guest.next();
  assert.equal(update.body.case, 'windowUpdate');
  assert.equal(update.body.value?.bytes, maxChunkBytes);
  connection.close();
});

async function ping2(connection: Parameters<typeof ping>[0], guest: ScriptedGuest): Promise<void> {
  const call = ping(connection);
  const { stream } = await guest.next();
  guest.output(stream, { case: 'pong', value: {} });
  guest.end(stream);
  await call;
}

test('input waits for credit, keeps its order, and signals overtake it', async () => {
  const { connection, guest } = await connectScripted();
  const call = connection.call({ case: 'startProcess', value: { argv: ['x'], stdin: true } });
  const { stream } = await guest.next();
  const sent = call.send({ case: 'stdin', value: new Uint8Array(streamWindowBytes + 5) });
  const ended = call.send({ case: 'end', value: true });
  await call.send({ case: 'signal', value: 'SIGINT' });
  const seen: string[] = [];
  const take = async () => {
    const { body } = await guest.next();
    const input = body.case === 'input' ? body.value.body : undefined;
    seen.push(input?.case === 'stdin' ? String(input.value.length) : String(input?.case));
  };
  for (let index = 0; index < 5; index++) await take();
  assert.deepEqual([...seen].sort(), ['65536', '65536', '65536', '65536', 'signal']);
  guest.say(stream, { case: 'windowUpdate', value: { bytes: 5 } });
  await Promise.all([sent, ended]);
  await take();
  await take();
  assert.deepEqual(seen.slice(5), ['5', 'end']);
  guest.end(stream);
  for await (const _ of call) assert.fail('no output was sent');
  await assert.rejects(call.send({ case: 'stdin', value: chunk }), { code: 'canceled' });
  connection.close();
});

const attacks: [string, (guest: ScriptedGuest, stream: number) => void][] = [
  ['garbage', (guest) => guest.duplex.write('HTTP/1.1 200 OK')],
  ['an unknown stream', (guest) => guest.end(99)],
  ['stream 0', (guest) => guest.end(0)],
  [
    'output beyond its credit',
    (guest, stream) => {
      for (let index = 0; index < 5; index++) guest.output(stream, { case: 'stdout', value: chunk });
    },
  ],
  ['credit for nothing', (guest, stream) => guest.say(stream, { case: 'windowUpdate', value: { bytes: 1 } })],
  ['no credit', (guest, stream) => guest.say(stream, { case: 'windowUpdate', value: { bytes: 0 } })],
  ['an empty chunk', (guest, stream) => guest.output(stream, { case: 'stdout', value: new Uint8Array() })],
  [
    'without end on a stream that has ended',
    (guest, stream) => {
      guest.end(stream);
      for (let index = 0; index < 80; index++) guest.output(stream, { case: 'stdout', value: chunk });
    },
  ],
  ['a request', (guest, stream) => guest.say(stream, { case: 'request', value: {} })],
  ['an empty output', (guest, stream) => guest.say(stream, { case: 'output', value: {} })],
  ['a frame that cannot be read', (guest) => guest.duplex.write(Buffer.from('TVF1\x02\0\0\0\xff\xff', 'latin1'))],
];

for (const [name, attack] of attacks) {
  test(`a guest that sends ${name} loses its connection`, async () => {
    const { connection, guest } = await connectScripted();
    const call = connection.call({ case: 'startProcess', value: { argv: ['x'] } });
    attack(guest, (await guest.next()).stream);
    const reason = await connection.closed;
    assert.ok(reason instanceof TvmError);
    assert.equal(reason.code, 'data_loss');
    const outcome = await Array.fromAsync(call).then(
      () => 'ended',
      (error) => error,
    );
    assert.ok(outcome === reason || outcome === 'ended' || outcome.code === 'data_loss');
    assert.throws(() => connection.call({ case: 'ping', value: {} }), { code: 'unavailable' });
  });
}

test('a flood of messages that nobody takes ends its own stream only', async () => {
  const { connection, guest } = await connectScripted();
  const call = connection.call({ case: 'listFiles', value: { path: '/' } });
  const { stream } = await guest.next();
  const flood = frameBytes(stream, { case: 'output', value: { body: { case: 'file', value: { path: 'x' } } } });
  guest.duplex.write(Buffer.concat(Array.from({ length: 20_000 }, () => flood)));
  assert.equal((await guest.next()).body.case, 'cancel');
  await ping2(connection, guest);
  await assert.rejects(
    async () => {
      for await (const _ of call);
    },
    { code: 'resource_exhausted' },
  );
  connection.close();
});

test('leaving an iteration, cancel and an aborted signal tell the guest', async () => {
  const { connection, guest } = await connectScripted();
  const left = connection.call({ case: 'startProcess', value: { argv: ['x'] } });
  guest.output((await guest.next()).stream, { case: 'stdout', value: new Uint8Array([1]) });
  for await (const _ of left) break;
  assert.equal((await guest.next()).body.case, 'cancel');
  const abort = new AbortController();
  const aborted = ping(connection, abort.signal);
  const { stream } = await guest.next();
  abort.abort();
  await assert.rejects(aborted, { code: 'canceled' });
  assert.equal((await guest.next()).body.case, 'cancel');
  // What was under way is not a violation.
  guest.end(stream);
  await ping2(connection, guest);
  connection.close();
  assert.equal(await connection.closed, undefined);
});

test('a lost channel ends every call', async () => {
  const { connection, guest } = await connectScripted();
  const calls = [ping(connection), ping(connection)];
  guest.duplex.end();
  for (const call of calls) await assert.rejects(call, { code: 'unavailable' });
  assert.equal((await connection.closed)?.code, 'unavailable');
});

test('answers of the wrong kind are a violation, output beyond a limit is exhausted', async () => {
  const { connection, guest } = await connectScripted();
  const file: OutputBody['case'] = 'file';
  const wrong = ping(connection);
  guest.output((await guest.next()).stream, { case: file, value: {} });
  await assert.rejects(wrong, { code: 'data_loss' });
  await guest.next();
  const missing = readFile(connection, { path: '/x' });
  guest.end((await guest.next()).stream);
  await assert.rejects(missing, { code: 'data_loss' });
  const run = runProcess(connection, { argv: ['x'] }, { maxOutputBytes: 10 });
  const { stream } = await guest.next();
  guest.output(stream, { case: 'started', value: {} });
  guest.output(stream, { case: 'stdout', value: new Uint8Array(11) });
  await assert.rejects(run, { code: 'resource_exhausted' });
  connection.close();
});
