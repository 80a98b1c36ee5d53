// One WebSocket conversation with the server (api/rest/stream.ts).
// Invariant: memory is bounded both ways: who does not read stops the socket, who writes waits for it.
import { TvmError } from '@tvm/api/errors.ts';
import { fromProblem } from '@tvm/api/rest/problem.ts';
import {
  type ClientControl,
  channels,
  maxStreamMessageBytes,
  type ServerControl,
  serverControl,
  streamSubprotocol,
} from '@tvm/api/rest/stream.ts';
import { WebSocket } from 'ws';
import type { Endpoint } from './endpoint.ts';
import { refusedBy, unreachable } from './rest-client.ts';

const maxQueuedBytes = 256 * 1024;
const chunkBytes = 64 * 1024;
const pingIntervalMs = 10_000;

export type StreamMessage = ServerControl | { type: 'output'; channel: 'stdout' | 'stderr'; bytes: Buffer };

export interface StreamConnection {
  /** Ends after `exited` or `error`; throws ConnectionLost when the connection ends before. */
  messages: AsyncIterable<StreamMessage>;
  /** Resolves when the socket has taken the bytes; they may be lost when the connection is. */
  sendStdin(bytes: Uint8Array): Promise<void>;
  control(message: ClientControl): void;
  /** Leaves; for execute that ends the run. */
  close(): void;
}

/** The connection ended in the middle. What was executed may go on. */
export class ConnectionLost extends TvmError {
  constructor(why: string) {
    super('unavailable', `the connection to the server was lost: ${why}`, { hint: '"vvm status" says what runs.' });
  }
}

/** Opens the conversation with its first message. Throws TvmError, the server's own when it refused. */
export async function openStream(endpoint: Endpoint, path: string, first: unknown): Promise<StreamConnection> {
  const limits = { subprotocol: streamSubprotocol, maxMessageBytes: maxStreamMessageBytes };
  const socket = connectSocket(endpoint, path, limits);
  const queue = makeQueue(socket);
  await opened(socket, endpoint, path);
  socket.send(JSON.stringify(first));
  keepAlive(socket);
  return {
    messages: queue.read(),
    async sendStdin(bytes) {
      for (let at = 0; at < bytes.length; at += chunkBytes) {
        await send(socket, withChannel(channels.stdin, bytes.subarray(at, at + chunkBytes)));
      }
    },
    control: (message) => {
      if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
    },
    close: () => socket.terminate(),
  };
}

export function connectSocket(
  endpoint: Endpoint,
  path: string,
  { subprotocol, maxMessageBytes }: { subprotocol: string; maxMessageBytes: number },
): WebSocket {
  return new WebSocket(`${endpoint.url.replace(/^http/, 'ws')}${path}`, subprotocol, {
    headers: { authorization: `Bearer ${endpoint.token}` },
    maxPayload: maxMessageBytes,
    perMessageDeflate: false,
  });
}

/** Resolves when it is open. Throws TvmError, the server's own when it refused. */
export function opened(socket: WebSocket, endpoint: Endpoint, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', (cause) => reject(unreachable(endpoint, cause)));
    socket.once('unexpected-response', async (_request, response) => {
      const parts: Buffer[] = [];
      for await (const part of response) parts.push(part);
      const text = Buffer.concat(parts).toString('utf8');
      const fallback = `${path}: HTTP ${response.statusCode} ${text.slice(0, 200)}`;
      reject(refusedBy(endpoint, fromProblem(parseJson(text), fallback)));
      socket.terminate();
    });
  });
}

/** A peer that is gone without a word is noticed by the second ping that stays unanswered. */
function keepAlive(socket: WebSocket): void {
  let unanswered = 0;
  const timer = setInterval(() => {
    if (socket.isPaused) return;
    if (unanswered >= 2) return socket.terminate();
    unanswered += 1;
    socket.ping();
  }, pingIntervalMs);
  const answered = () => {
    unanswered = 0;
  };
  socket.on('pong', answered).on('message', answered);
  socket.once('close', () => clearInterval(timer));
}

function makeQueue(socket: WebSocket): { read(): AsyncIterable<StreamMessage> } {
  const waiting: StreamMessage[] = [];
  let queuedBytes = 0;
  let end: TvmError | undefined;
  let wake: () => void = () => undefined;

  socket.on('message', (data: Buffer, isBinary) => {
    const message = isBinary ? outputOf(data) : controlOf(data);
    if (message instanceof TvmError) end = message;
    else waiting.push(message);
    if (message instanceof TvmError) socket.terminate();
    queuedBytes += data.length;
    if (queuedBytes > maxQueuedBytes) socket.pause();
    wake();
  });
  socket.on('error', (error) => {
    end ??= new ConnectionLost(error.message);
    wake();
  });
  socket.on('close', (code, reason) => {
    end ??= new ConnectionLost(`closed with ${code} ${reason.toString()}`.trim());
    wake();
  });

  async function* read(): AsyncGenerator<StreamMessage> {
    for (;;) {
      const next = waiting.shift();
      if (next) {
        if (next.type === 'output') queuedBytes -= next.bytes.length + 1;
        yield next;
        if (next.type === 'exited' || next.type === 'error') return;
      } else if (end) throw end;
      else {
        queuedBytes = 0;
        if (socket.isPaused) socket.resume();
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  }
  return { read };
}

function outputOf(data: Buffer): StreamMessage | TvmError {
  const bytes = data.subarray(1);
  if (data[0] === channels.stdout) return { type: 'output', channel: 'stdout', bytes };
  if (data[0] === channels.stderr) return { type: 'output', channel: 'stderr', bytes };
  return new TvmError('internal', `the server sent a message of an unknown channel (${data[0] ?? 'empty'})`);
}

function controlOf(data: Buffer): ServerControl | TvmError {
  const parsed = serverControl.safeParse(parseJson(data.toString('utf8')));
  return parsed.success
    ? parsed.data
    : new TvmError('internal', 'the server sent a message that is not in the contract');
}

function withChannel(channel: number, bytes: Uint8Array): Uint8Array {
  const message = new Uint8Array(bytes.length + 1);
  message[0] = channel;
  message.set(bytes, 1);
  return message;
}

function send(socket: WebSocket, message: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.send(message, (error) => (error ? reject(new ConnectionLost(error.message)) : resolve()));
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
