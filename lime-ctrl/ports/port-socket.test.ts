import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { MachineState } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import { makeFakeFlintlock } from '../testing/fake-flintlock.ts';
import { dialPort } from './port-socket.ts';

async function setUp(serve: (socket: Socket) => void) {
  const flintlock = makeFakeFlintlock();
  const spec = { image: 'x', cpus: 1, memoryMib: 64 };
  await flintlock.client.createMachine({ uid: 'a', spec });
  while (flintlock.machines.get('a')?.state !== MachineState.RUNNING) await sleep(1);
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => socket.destroy());
    serve(socket);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  flintlock.ports.set(7, (server.address() as AddressInfo).port);
  return {
    flintlock,
    dial: (port = 7, signal?: AbortSignal) => dialPort(flintlock.client, 'a', port, signal),
    [Symbol.dispose]: () => void server.close(),
  };
}

async function readAll(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(stream));
}

test('bytes both ways, and each direction has an end of its own', async () => {
  using world = await setUp((socket) => void socket.pipe(socket));
  const socket = await world.dial();
  const sent = randomBytes(2_000_000);
  socket.end(sent);
  assert.ok((await readAll(socket)).equals(sent));
  assert.ok(socket.writableFinished);
});

test('a server that has sent all still gets what is written', async () => {
  const got = Promise.withResolvers<Buffer>();
  using world = await setUp((socket) => {
    socket.end('hello');
    readAll(socket).then(got.resolve, got.reject);
  });
  const socket = await world.dial();
  assert.equal(
    (await readAll(socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>)).toString(),
    'hello',
  );
  socket.end('after its end');
  assert.equal((await got.promise).toString(), 'after its end');
});

test('where nothing listens it says so, with what to do', async () => {
  using world = await setUp(() => undefined);
  await assert.rejects(world.dial(8), (error: Error & { hint?: string; reason?: string }) => {
    assert.match(error.message, /nothing listens on port 8/);
    assert.match(error.hint ?? '', /127\.0\.0\.1 or 0\.0\.0\.0, port 8/);
    assert.equal(error.reason, 'NothingListens');
    return true;
  });
});

test('who does not read stops the server; destroying closes the connection there', async () => {
  let written = 0;
  const closed = Promise.withResolvers<void>();
  using world = await setUp((socket) => {
    socket.on('close', () => closed.resolve());
    const more = () => {
      while (!socket.destroyed && socket.write(Buffer.alloc(65_536))) written += 65_536;
    };
    socket.on('drain', more);
    more();
  });
  const socket = await world.dial();
  await once(socket, 'readable');
  for (let before = -1; before !== written; await sleep(100)) {
    before = written;
    assert.ok(written < 64 * 1024 * 1024);
  }
  socket.destroy();
  await closed.promise;
});

test('who may call no longer is cut off; a node that goes away is an error', async () => {
  using world = await setUp(() => undefined);
  const leave = new AbortController();
  const [one, other] = [await world.dial(7, leave.signal), await world.dial()];
  const ends = [once(one.resume(), 'error'), once(other.resume(), 'error')];
  leave.abort();
  world.flintlock.goAway();
  for (const [error] of await Promise.all(ends)) assert.ok(error instanceof Error);
});
