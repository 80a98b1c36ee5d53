// A small server that speaks the stream contract as a test says: what the command talks to without a control plane.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener } from 'node:http';
import { channels, clientControl, type ServerControl, streamSubprotocol } from '@tvm/api/rest/stream.ts';
import { type RawData, type WebSocket, WebSocketServer } from 'ws';
import type { Endpoint } from '../endpoint.ts';

export const testToken = 'test-token';
export const testMachine = { id: 'm', image: 'tvm/python', bootId: 'b', warm: true };

/** One conversation as the server sees it. */
export interface Peer {
  path: string;
  first: Record<string, unknown>;
  /** Resolves when the socket has taken it. */
  output(channel: 'stdout' | 'stderr', bytes: Uint8Array | string): Promise<void>;
  control(message: ServerControl | Record<string, unknown>): void;
  started(offsets?: { stdoutOffset?: number; stderrOffset?: number }): void;
  exited(exitCode: number, timedOut?: boolean): void;
  /** Input and control of the client, as it comes. Ends with the connection. */
  incoming(): AsyncGenerator<{ stdin: Buffer } | ReturnType<typeof clientControl.parse>>;
  /** Cuts the connection without a word. */
  cut(): void;
  closed: Promise<unknown>;
  socket: WebSocket;
}

export interface TestServer extends AsyncDisposable {
  endpoint: Endpoint;
}

export async function startStreamServer(
  converse: (peer: Peer) => Promise<void>,
  answer: RequestListener = (_request, response) => response.writeHead(404).end(),
): Promise<TestServer> {
  const server = createServer(answer);
  const sockets = new WebSocketServer({ server, perMessageDeflate: false, handleProtocols: () => streamSubprotocol });
  const failures: unknown[] = [];
  sockets.on('connection', (socket, request) => {
    socket.on('error', () => undefined);
    void begin(socket, request, converse).catch((error) => failures.push(error));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no address');
  return {
    endpoint: { url: `http://127.0.0.1:${address.port}`, token: testToken },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets.clients) socket.terminate();
      server.closeAllConnections();
      server.close();
      if (failures.length > 0) throw failures[0];
    },
  };
}

async function begin(socket: WebSocket, request: IncomingMessage, converse: (peer: Peer) => Promise<void>) {
  if (request.headers.authorization !== `Bearer ${testToken}`) throw new Error('no token');
  const closed = once(socket, 'close');
  const messages = messagesOf(socket);
  const { value } = await messages.next();
  if (!value) return;
  const control = (message: unknown) => socket.send(JSON.stringify(message));
  await converse({
    path: request.url ?? '',
    first: JSON.parse(value.data.toString()),
    closed,
    socket,
    control,
    output: (channel, bytes) =>
      new Promise((resolve) => {
        socket.send(Buffer.concat([Buffer.of(channels[channel]), Buffer.from(bytes)]), () => resolve());
      }),
    started: (offsets) =>
      control({ type: 'started', execId: 'e1', stdoutOffset: 0, stderrOffset: 0, machine: testMachine, ...offsets }),
    exited(exitCode, timedOut = false) {
      control({ type: 'exited', exitCode, signal: '', timedOut, durationMs: 1 });
      socket.close(1000);
    },
    cut: () => socket.terminate(),
    async *incoming() {
      for await (const { data, isBinary } of messages) {
        if (isBinary) yield { stdin: (data as Buffer).subarray(1) };
        else yield clientControl.parse(JSON.parse(data.toString()));
      }
    },
  });
}

async function* messagesOf(socket: WebSocket): AsyncGenerator<{ data: RawData; isBinary: boolean }> {
  const waiting: { data: RawData; isBinary: boolean }[] = [];
  let wake: () => void = () => undefined;
  let ended = false;
  socket.on('message', (data, isBinary) => {
    waiting.push({ data, isBinary });
    if (waiting.length > 16) socket.pause();
    wake();
  });
  socket.on('close', () => {
    ended = true;
    wake();
  });
  for (;;) {
    const next = waiting.shift();
    if (next) yield next;
    else if (ended) return;
    else {
      socket.resume();
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  }
}
