// Connections to nodes that cannot be made, break, or are given up: calls fail with a reason, and nothing else does. An error of a
// connection that nobody listens for would end the process.
import assert from 'node:assert/strict';
import { createServer } from 'node:http2';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { connectFlintlock } from './client.ts';

const lost = { code: 'unavailable', reason: 'NodeConnectionLost' };

test('a node that is no longer used answers nothing, to one call as to many', async () => {
  const server = createTcpServer((socket) => socket.on('error', () => {}));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const { client, close } = connectFlintlock(`127.0.0.1:${port}`);
  const early = assert.rejects(client.getNode({}), lost);
  close();
  const late = Array.from({ length: 8 }, () => assert.rejects(client.getNode({}), lost));
  await Promise.all([early, ...late]);
  await assert.rejects(client.getNode({}), /no longer used/);
  server.close();
});

test('without a certificate nothing is called, and the caller is told why', async () => {
  const tls = {
    serverName: 'flintlock.test',
    material: () => {
      throw new Error('no certificate yet');
    },
  };
  const { client } = connectFlintlock('127.0.0.1:1', tls);
  for (let time = 0; time < 3; time += 1) await assert.rejects(client.getNode({}), /no certificate yet/);
});

test('connections that break at any moment, again and again, fail the calls that are on them', async () => {
  const sockets = new Set<Socket>();
  const server = createServer();
  server.on('connection', (socket: Socket) =>
    sockets.add(socket.on('error', () => {}).on('close', () => sockets.delete(socket))),
  );
  server.on('sessionError', () => {});
  server.on('stream', (stream) => stream.on('error', () => {}));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const { client, close } = connectFlintlock(`127.0.0.1:${port}`);
  let calls = 0;
  const endMs = performance.now() + 1_000;
  async function callOnAndOn(): Promise<void> {
    while (performance.now() < endMs) {
      await assert.rejects(client.getNode({}), lost);
      calls += 1;
    }
  }
  async function breakOnAndOn(): Promise<void> {
    while (performance.now() < endMs) {
      for (let time = Math.random() * 20; time > 0; time -= 1) await turn();
      for (const socket of sockets) socket.resetAndDestroy();
    }
    for (const socket of sockets) socket.resetAndDestroy();
  }
  const breaking = breakOnAndOn();
  const calling = Promise.all(Array.from({ length: 8 }, callOnAndOn));
  await breaking;
  close();
  await calling;
  assert.ok(calls > 100, String(calls));
  server.close();
});
