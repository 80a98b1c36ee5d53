// Serves a resolver on an address of the node that only one machine reaches. Invariant: what a machine sends is bounded: the length
// of a message, its connections, and how long they last.
import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { resolverPort } from '../rules.ts';
import type { Resolver } from './resolver.ts';
import { decoded } from './upstream.ts';

const maxQueryBytes = 512;
const maxDatagramBytes = 512;
const maxStreamBytes = 65_535;
const maxConnections = 8;
const connectionMs = 5_000;

/** By UDP and TCP, until it is disposed. */
export async function serveResolver(address: string, resolver: Resolver): Promise<AsyncDisposable> {
  const datagrams = await listenForDatagrams(address, resolver);
  try {
    const server = await listenForStreams(address, resolver);
    return {
      async [Symbol.asyncDispose]() {
        datagrams.close();
        server.close();
      },
    };
  } catch (error) {
    datagrams.close();
    throw error;
  }
}

async function listenForDatagrams(address: string, resolver: Resolver): Promise<DatagramSocket> {
  const socket = createSocket('udp4');
  let closed = false;
  socket.on('close', () => {
    closed = true;
  });
  socket.on('message', async (message, { address: from, port }) => {
    const query = message.length <= maxQueryBytes ? decoded(message) : undefined;
    if (query?.type !== 'query') return;
    const answer = await resolver(query, maxDatagramBytes);
    // The answer to a machine that is gone, or reads nothing, is lost.
    if (!closed) socket.send(answer, port, from, () => undefined);
  });
  socket.bind(resolverPort, address);
  await once(socket, 'listening');
  socket.on('error', () => undefined);
  return socket;
}

async function listenForStreams(address: string, resolver: Resolver): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.setTimeout(connectionMs, () => socket.destroy());
    void answerStream(socket, resolver).finally(() => socket.destroy());
  });
  server.maxConnections = maxConnections;
  server.listen(resolverPort, address);
  await once(server, 'listening');
  server.on('error', () => undefined);
  return server;
}

/** One question a connection. */
async function answerStream(socket: Socket, resolver: Resolver): Promise<void> {
  const message = await firstMessage(socket);
  const query = message && decoded(message);
  if (query?.type !== 'query') return;
  const answer = await resolver(query, maxStreamBytes);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(answer.length);
  socket.end(Buffer.concat([length, answer]));
  await Promise.race([once(socket, 'close'), once(socket, 'error')]).catch(() => undefined);
}

/** Undefined: it is too long, or the connection ends before. */
function firstMessage(socket: Socket): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    let received = Buffer.alloc(0);
    socket.on('close', () => resolve(undefined));
    socket.on('data', (data) => {
      received = Buffer.concat([received, data]);
      if (received.length < 2) return;
      const length = received.readUInt16BE(0);
      if (length > maxQueryBytes) resolve(undefined);
      else if (received.length >= length + 2) resolve(received.subarray(2, length + 2));
    });
  });
}
