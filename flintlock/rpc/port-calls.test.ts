import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { MachineState } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import { fromConnectError } from '@tvm/api/rpc-errors.ts';
import { type FlintlockClient, openHarness, smallSpec, untilState } from '../testing/flintlock-harness.ts';
import { echoServer, type FakeServer } from '../vmm/fake/ports.ts';

type Requests = Parameters<FlintlockClient['dialPort']>[0];
type Request = Requests extends AsyncIterable<infer R> ? R : never;

const start = (port: number, uid = 'a'): Request => ({ body: { case: 'start', value: { uid, port: { port } } } });
const chunk = (value: Uint8Array): Request => ({ body: { case: 'chunk', value } }) as Request;
const end = { body: { case: 'end', value: true } } as Request;
const code = (expected: string) => (thrown: unknown) => {
  assert.equal(fromConnectError(thrown).code, expected, String(thrown));
  return true;
};

async function* requests(...all: Request[]): AsyncGenerator<Request> {
  yield* all;
}

/** A machine that serves port 7. */
async function openServing(server: FakeServer = echoServer, standby = false) {
  const harness = await openHarness();
  await harness.client.createMachine({ uid: 'a', spec: { ...smallSpec, standby } });
  await untilState(harness.client, 'a', standby ? MachineState.PAUSED : MachineState.RUNNING);
  for (const vm of harness.host.vms.values()) vm.memory.ports.set(7, server);
  return harness;
}

async function read(client: FlintlockClient, all: Requests, onConnected = () => {}) {
  const parts: Uint8Array[] = [];
  const kinds: string[] = [];
  for await (const { body } of client.dialPort(all)) {
    if (kinds.at(-1) !== body.case) kinds.push(body.case ?? '');
    if (body.case === 'connected') onConnected();
    if (body.case === 'chunk') parts.push(body.value);
  }
  return { bytes: Buffer.concat(parts), kinds };
}

test('bytes go through, each direction to its end; the machine counts as used', async () => {
  await using harness = await openServing(echoServer, true);
  const content = randomBytes(1_000_000);
  const { bytes, kinds } = await read(harness.client, requests(start(7), chunk(content), end));
  assert.ok(bytes.equals(content));
  assert.deepEqual(kinds, ['connected', 'chunk', 'end']);
  const { used, openCalls, state } = await harness.client.getMachine({ uid: 'a' });
  assert.deepEqual([used, openCalls, state], [true, 0, MachineState.RUNNING]);
});

test('refusals keep their words; misuse is refused', async () => {
  await using harness = await openServing();
  const { client } = harness;
  await assert.rejects(read(client, requests(start(8))), (thrown) => {
    assert.match(fromConnectError(thrown).message, /nothing listens on port 8/);
    return code('failed_precondition')(thrown);
  });
  await assert.rejects(read(client, requests(start(0))), code('invalid_argument'));
  await assert.rejects(read(client, requests(start(7, 'nope'))), code('not_found'));
  await assert.rejects(read(client, requests()), code('invalid_argument'));
  await assert.rejects(read(client, requests(end)), code('invalid_argument'));
  await assert.rejects(read(client, requests(start(7), start(7))), code('invalid_argument'));
  await client.pauseMachine({ uid: 'a' });
  await assert.rejects(read(client, requests(start(7))), code('failed_precondition'));
});

test('a caller that does not read stops the server; one that leaves ends it and is not counted', async () => {
  let written = 0;
  let closed = false;
  await using harness = await openServing((connection) => {
    connection.on('close', () => {
      closed = true;
    });
    const more = () => {
      while (!connection.destroyed && connection.write(Buffer.alloc(65_536))) written += 65_536;
    };
    connection.on('drain', more).on('error', () => undefined);
    more();
  });
  const leave = new AbortController();
  const waiting = (async function* () {
    yield start(7);
    await sleep(60_000, undefined, { signal: leave.signal }).catch(() => undefined);
  })();
  const answers = harness.client.dialPort(waiting, { signal: leave.signal })[Symbol.asyncIterator]();
  for (let count = 0; count < 3; count += 1) await answers.next();
  for (let before = -1; before !== written; await sleep(100)) {
    before = written;
    assert.ok(written < 4 * 1024 * 1024);
  }
  assert.equal((await harness.client.getMachine({ uid: 'a' })).openCalls, 1);
  leave.abort();
  while ((await harness.client.getMachine({ uid: 'a' })).openCalls > 0);
  while (!closed) await sleep(1);
});

test('no more connections than there are places; those that end make room', async () => {
  await using harness = await openServing();
  const leave = new AbortController();
  const opened = (uid = 'a') => {
    const stays = (async function* () {
      yield start(7, uid);
      await sleep(60_000, undefined, { signal: leave.signal }).catch(() => undefined);
    })();
    return harness.client.dialPort(stays, { signal: leave.signal })[Symbol.asyncIterator]().next();
  };
  await Promise.all(Array.from({ length: 128 }, () => opened()));
  await assert.rejects(opened(), code('resource_exhausted'));
  leave.abort();
  while ((await harness.client.getMachine({ uid: 'a' })).openCalls > 0);
  assert.equal((await read(harness.client, requests(start(7), end))).bytes.length, 0);
});

test('a machine that dies ends its connections, which say how it died', async () => {
  await using harness = await openServing();
  const leave = new AbortController();
  const stays = (async function* () {
    yield start(7);
    await sleep(60_000, undefined, { signal: leave.signal }).catch(() => undefined);
  })();
  const connected = Promise.withResolvers<void>();
  const reading = read(harness.client, stays, connected.resolve);
  await Promise.race([connected.promise, reading]);
  for (const vm of harness.host.vms.values()) vm.finish({ exitCode: null, signal: 'SIGKILL', stderr: '' });
  await assert.rejects(reading, code('unavailable'));
  leave.abort();
});
