// The real agent's ports over the real protocol, without a VM.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { after, before, test } from 'node:test';
import type { GuestConnection } from './connection.ts';
import { dialPort } from './ports.ts';
import { describePorts } from './testing/port-suite.ts';
import { type RealAgent, startAgent } from './testing/real-agent.ts';

let agent: RealAgent;
let connection: GuestConnection;
let echo: Server;
let closedPort: number;
const sockets = new Set<Socket>();

const portOf = (server: Server) => (server.address() as AddressInfo).port;

async function listen(serve: (socket: Socket) => void): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    serve(socket);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return server;
}

before(async () => {
  agent = await startAgent();
  connection = await agent.connect();
  echo = await listen((socket) => void socket.pipe(socket));
  const closed = await listen(() => undefined);
  closedPort = portOf(closed);
  closed.close();
});
after(async () => {
  connection.close();
  for (const socket of sockets) socket.destroy();
  echo.close();
  await agent[Symbol.asyncDispose]();
});

describePorts('the real agent', () => ({ connection, echoPort: portOf(echo), closedPort }));

test('one connection more than there are places is refused, in words', async () => {
  const leave = new AbortController();
  const dial = () => dialPort(connection, { port: portOf(echo) }, leave.signal);
  await Promise.all(Array.from({ length: 128 }, dial));
  await assert.rejects(dial(), { code: 'resource_exhausted', message: /128 connections/ });
  leave.abort();
  await dialPort(connection, { port: portOf(echo) });
});

test('a host that is gone leaves no connection behind', async () => {
  const leaving = await agent.connect();
  const again = await dialPort(leaving, { port: portOf(echo) });
  await again.send({ case: 'chunk', value: Buffer.from('x') });
  await again.answers[Symbol.asyncIterator]().next();
  assert.ok(sockets.size > 0);
  leaving.close();
  while (sockets.size > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  connection = await agent.connect();
});
