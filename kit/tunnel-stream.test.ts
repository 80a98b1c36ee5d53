import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket, WebSocketServer } from 'ws';
import { tunnelStream } from './tunnel-stream.ts';

async function setUp(): Promise<AsyncDisposable & { near: Duplex; far: Duplex; socket: WebSocket }> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false });
  await once(server, 'listening');
  const accepted = once(server, 'connection');
  const socket = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, {
    perMessageDeflate: false,
  });
  const near = tunnelStream(socket);
  await once(socket, 'open');
  const [farSocket] = (await accepted) as [WebSocket];
  const far = tunnelStream(farSocket);
  // Those that a test does not end itself are cut off at its end.
  for (const each of [near, far]) each.on('error', () => undefined);
  return {
    near,
    far,
    socket,
    async [Symbol.asyncDispose]() {
      for (const each of server.clients) each.terminate();
      socket.terminate();
      server.close();
    },
  };
}

const readAll = async (stream: Duplex) =>
  Buffer.concat(await Array.fromAsync(stream.iterator({ destroyOnReturn: false })));

test('bytes both ways, each direction to its own end', async () => {
  await using world = await setUp();
  const { near, far } = world;
  const sent = randomBytes(1_000_000);
  near.end(sent);
  assert.ok((await readAll(far)).equals(sent));
  far.end('answer');
  assert.equal((await readAll(near)).toString(), 'answer');
  await Promise.all([near, far].map((each) => each.destroyed || once(each, 'close')));
});

test('who does not read stops who writes', async () => {
  await using world = await setUp();
  const { near, far } = world;
  let written = 0;
  const writing = (async () => {
    for (; written < 100; written += 1) if (!near.write(Buffer.alloc(300_000))) await once(near, 'drain');
  })();
  for (let before = -1; before !== written; await sleep(150)) {
    before = written;
    assert.ok(written < 60);
  }
  far.resume();
  await writing;
});

test('a connection that is lost, one that breaks and text are errors', async () => {
  for (const act of [
    ({ socket }) => socket.terminate(),
    ({ near }) => near.destroy(new Error('the port broke')),
    ({ socket }) => socket.send('text'),
  ] as ((world: Awaited<ReturnType<typeof setUp>>) => void)[]) {
    await using world = await setUp();
    world.far.resume();
    act(world);
    const [error] = await once(world.far, 'error');
    assert.match(error.message, /tunnel was closed|text message/);
  }
});
