import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { MachineState } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import { fromConnectError } from '@tvm/api/rpc-errors.ts';
import { type FlintlockClient, openHarness, smallSpec, untilState } from '../testing/flintlock-harness.ts';

type Requests = Parameters<FlintlockClient['exec']>[0];
type Request = Requests extends AsyncIterable<infer R> ? R : never;

const start = (argv: string[], more: object = {}): Request => ({
  body: { case: 'start', value: { uid: 'a', process: { argv, ...more } } },
});

async function* requests(...all: Request[]): AsyncGenerator<Request> {
  yield* all;
}

async function openRunning() {
  const harness = await openHarness();
  await harness.client.createMachine({ uid: 'a', spec: smallSpec });
  await untilState(harness.client, 'a', MachineState.RUNNING);
  return harness;
}

async function run(client: FlintlockClient, all: Requests) {
  const text = { stdout: '', stderr: '' };
  let code: number | undefined;
  for await (const { output } of client.exec(all)) {
    const body = output?.body;
    if (body?.case === 'stdout' || body?.case === 'stderr') text[body.case] += Buffer.from(body.value).toString();
    if (body?.case === 'exited') code = body.value.code;
  }
  return { ...text, code };
}

const code = (expected: string) => (thrown: unknown) => {
  assert.equal(fromConnectError(thrown).code, expected, String(thrown));
  return true;
};

test('a process runs; its two outputs and exit code stay apart; the machine counts as used', async () => {
  await using harness = await openRunning();
  const { client } = harness;
  assert.equal((await client.getMachine({ uid: 'a' })).used, false);
  const result = await run(client, requests(start(['sh', '-c', 'echo out\nwarn err\nexit 7'])));
  assert.deepEqual(result, { stdout: 'out\n', stderr: 'err\n', code: 7 });
  assert.equal((await client.getMachine({ uid: 'a' })).used, true);
});

test('input goes in at the pace of the guest, far more than any window, and its end is passed on', async () => {
  await using harness = await openRunning();
  async function* input(): AsyncGenerator<Request> {
    yield start(['cat'], { stdin: true });
    const value = new Uint8Array(100_000).fill(120);
    for (let index = 0; index < 30; index++) {
      yield { body: { case: 'input', value: { body: { case: 'stdin', value } } } } as Request;
    }
  }
  const { stdout, code: exitCode } = await run(harness.client, input());
  assert.deepEqual([stdout.length, exitCode], [3_000_000, 0]);
});

test('a process that runs too long is ended and says so; a signal ends one too', async () => {
  await using harness = await openRunning();
  assert.equal((await run(harness.client, requests(start(['sleep', '100'], { timeoutMs: 50 })))).code, 137);
  const signal = { body: { case: 'input', value: { body: { case: 'signal', value: 'SIGTERM' } } } } as Request;
  assert.equal((await run(harness.client, requests(start(['sleep', '100']), signal))).code, 137);
});

test('a client that does not read stops the process; one that leaves ends it', async () => {
  await using harness = await openRunning();
  const { client } = harness;
  const leave = new AbortController();
  const answers = client.exec(requests(start(['yes'])), { signal: leave.signal })[Symbol.asyncIterator]();
  await answers.next();
  const [vm] = [...harness.host.vms.values()];
  assert.ok(vm);
  for (let before = -1; before !== vm.memory.printedBytes; await sleep(150)) {
    before = vm.memory.printedBytes;
    assert.ok(before < 4 * 1024 * 1024, 'it goes on printing to a client that does not read');
  }
  assert.equal((await client.listProcesses({ uid: 'a' })).processes.length, 1);
  leave.abort();
  while ((await client.listProcesses({ uid: 'a' })).processes.length > 0);
});

test('a process that cannot start says so although its caller could still send input', async () => {
  await using harness = await openRunning();
  const open = Promise.withResolvers<void>();
  async function* attachAndWait(): AsyncGenerator<Request> {
    yield { body: { case: 'attach', value: { uid: 'a', process: { id: 'unknown' } } } };
    await open.promise;
  }
  try {
    await assert.rejects(run(harness.client, attachAndWait()), code('not_found'));
  } finally {
    open.resolve();
  }
});

test('a kept process goes on without its client and can be attached to', async () => {
  await using harness = await openRunning();
  const { client } = harness;
  const leave = new AbortController();
  const first = client.exec(requests(start(['sh', '-c', 'echo kept\nsleep 0.2\necho end'], { keep: true, id: 'k' })), {
    signal: leave.signal,
  });
  for await (const _ of first) break;
  leave.abort();
  const attach: Request = { body: { case: 'attach', value: { uid: 'a', process: { id: 'k' } } } } as Request;
  assert.deepEqual(await run(client, requests(attach)), { stdout: 'kept\nend\n', stderr: '', code: 0 });
});

test('a kept process keeps its input when a client leaves, however its requests end', async () => {
  await using harness = await openRunning();
  const { client } = harness;
  const attach = (): Request => ({ body: { case: 'attach', value: { uid: 'a', process: { id: 'k' } } } });
  const kill = { body: { case: 'input', value: { body: { case: 'signal', value: 'SIGKILL' } } } } as Request;
  for await (const { output } of client.exec(requests(start(['cat'], { keep: true, stdin: true, id: 'k' })))) {
    if (output?.body.case === 'started') break;
  }
  // With its input at an end it would have ended by itself, with 0.
  assert.equal((await run(client, requests(attach(), kill))).code, 137);
});

test('misuse is refused: no start, two starts, an unknown machine, one that is paused', async () => {
  await using harness = await openRunning();
  const { client } = harness;
  await assert.rejects(run(client, requests()), code('invalid_argument'));
  await assert.rejects(run(client, requests(start(['sleep', '9']), start(['true']))), code('invalid_argument'));
  await assert.rejects(run(client, requests(start([]))), code('invalid_argument'));
  const elsewhere = { body: { case: 'start', value: { uid: 'nope', process: { argv: ['x'] } } } } as Request;
  await assert.rejects(run(client, requests(elsewhere)), code('not_found'));
  await client.pauseMachine({ uid: 'a' });
  await assert.rejects(run(client, requests(start(['true']))), code('failed_precondition'));
});

test('files go in and out whole; operations on them answer; errors keep their code', async () => {
  await using harness = await openRunning();
  const { client } = harness;
  const content = Buffer.alloc(500_000, 'bytes ');
  async function* upload() {
    const file = { path: '/tmp/a/b', mode: 0o640, makeParents: true };
    yield { body: { case: 'start' as const, value: { uid: 'a', file } } };
    for (let at = 0; at < content.length; at += 60_000) {
      yield { body: { case: 'chunk' as const, value: content.subarray(at, at + 60_000) } };
    }
  }
  assert.equal((await client.writeFile(upload())).size, 500_000n);
  const parts: Uint8Array[] = [];
  for await (const { body } of client.readFile({ uid: 'a', file: { path: '/tmp/a/b' } })) {
    if (body.case === 'info') assert.equal(body.value.mode, 0o640);
    if (body.case === 'chunk') parts.push(body.value);
  }
  assert.deepEqual(Buffer.concat(parts), content);
  const operate = async (operation: NonNullable<Parameters<FlintlockClient['fileOperation']>[0]['operation']>) =>
    (await client.fileOperation({ uid: 'a', operation })).files.map(({ path }) => path);
  assert.deepEqual(await operate({ case: 'makeDirectory', value: { path: '/tmp/c' } }), ['/tmp/c']);
  assert.deepEqual(await operate({ case: 'move', value: { from: '/tmp/a/b', to: '/tmp/c/d' } }), ['/tmp/c/d']);
  assert.deepEqual(await operate({ case: 'list', value: { path: '/tmp', depth: 2 } }), [
    '/tmp/a',
    '/tmp/c',
    '/tmp/c/d',
  ]);
  assert.deepEqual(await operate({ case: 'remove', value: { path: '/tmp/c', recursive: true } }), []);
  await assert.rejects(operate({ case: 'stat', value: { path: '/tmp/c' } }), code('not_found'));
  await assert.rejects(operate({ case: undefined }), code('invalid_argument'));
});

test('a machine that dies ends the calls into it, which say how it died', async () => {
  await using harness = await openRunning();
  const running = run(harness.client, requests(start(['sleep', '100'])));
  while ((await harness.client.listProcesses({ uid: 'a' })).processes.length === 0);
  for (const vm of harness.host.vms.values()) vm.finish({ exitCode: null, signal: 'SIGKILL', stderr: '' });
  const died = (thrown: unknown) => {
    const { code, reason, object, message } = fromConnectError(thrown);
    assert.deepEqual([code, reason, object], ['unavailable', 'VmmExited', 'machine/a']);
    assert.match(message, /machine a failed: the VMM ended: killed by SIGKILL/);
    return true;
  };
  await assert.rejects(running, died);
});
