// One WebSocket of the stream protocol, as async iteration. Invariants: each side's pace rules the other: `send` resolves
// when the bytes left this process, and reading stops while inputs are not taken; a dead peer is noticed by pings.
import { TvmError } from '@tvm/api/errors.ts';
import { toProblem } from '@tvm/api/rest/problem.ts';
import { channels, clientControl, type ServerControl } from '@tvm/api/rest/stream.ts';
import { keepAlive } from '@tvm/kit/keep-alive.ts';
import type { RawData, WebSocket } from 'ws';
import type { InputBody } from '../engine/process-stream.ts';
import { check } from './endpoint.ts';

const maxQueuedBytes = 262_144;
const firstMessageMs = 10_000;
/** For a peer to answer that the stream is closed. */
const closeMs = 2_000;
/** Close codes with which a client says that it is done. 1005: it gave no code. */
const cleanCloseCodes = new Set([1000, 1001, 1005]);

export interface SocketSession {
  /** The client's first message, parsed as JSON. Throws when none comes in time or it is no JSON. */
  first(): Promise<unknown>;
  /** stdin and control of the client. Ends when the socket closes; throws invalid_argument for a wrong message. */
  inputs(): AsyncIterable<InputBody>;
  send(message: ServerControl): Promise<void>;
  sendOutput(channel: 'stdout' | 'stderr', bytes: Uint8Array): Promise<void>;
  /** Tells the error, if the client is still there. */
  fail(error: TvmError): Promise<void>;
  close(): void;
  /** Aborts when the socket is closed. */
  readonly closed: AbortSignal;
  /** Whether it was the client who closed it, on purpose. */
  readonly closedCleanly: boolean;
}

type Message = { text: string } | { bytes: Buffer };

export function makeSocketSession(socket: WebSocket): SocketSession {
  const queue: Message[] = [];
  const closed = new AbortController();
  let queuedBytes = 0;
  let closedCleanly = false;
  let isOver = false;
  let wake = () => {};
  const stopPings = keepAlive(socket);

  socket.on('message', (data: RawData, binary: boolean) => {
    if (isOver) return;
    const bytes = data as Buffer;
    queue.push(binary ? { bytes } : { text: bytes.toString('utf8') });
    queuedBytes += bytes.length;
    if (queuedBytes > maxQueuedBytes) socket.pause();
    wake();
  });
  socket.on('close', (code) => {
    closedCleanly = cleanCloseCodes.has(code);
    stopPings();
    closed.abort();
    wake();
  });
  // The close event follows and tells all.
  socket.on('error', () => {});

  async function next(): Promise<Message | undefined> {
    while (queue.length === 0 && !closed.signal.aborted) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    const message = queue.shift();
    if (!message) return undefined;
    queuedBytes -= 'text' in message ? Buffer.byteLength(message.text) : message.bytes.length;
    if (queuedBytes <= maxQueuedBytes / 2 && socket.isPaused) socket.resume();
    return message;
  }

  function transmit(data: string | Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      socket.send(data, { binary: typeof data !== 'string' }, (error) => {
        if (error) reject(new TvmError('canceled', 'the client went away', { cause: error }));
        else resolve();
      });
    });
  }

  const send = (message: ServerControl) => transmit(JSON.stringify(message));
  return {
    async first() {
      const timer = setTimeout(() => socket.close(1008, 'no first message'), firstMessageMs);
      const message = await next();
      clearTimeout(timer);
      if (!message) throw new TvmError('canceled', 'the client sent no first message');
      if ('bytes' in message) throw new TvmError('invalid_argument', 'the first message must be JSON text');
      return parseJson(message.text);
    },
    async *inputs() {
      for (let message = await next(); message; message = await next()) yield inputOf(message);
    },
    send,
    sendOutput: (channel, bytes) => transmit(Buffer.concat([Buffer.of(channels[channel]), bytes])),
    async fail(error) {
      if (socket.readyState === socket.OPEN) await send({ type: 'error', problem: toProblem(error) });
    },
    close() {
      isOver = true;
      closeSocket(socket, 1000, '', closeMs);
    },
    closed: closed.signal,
    get closedCleanly() {
      return closedCleanly;
    },
  };
}

/** Closes; what the peer still sends is dropped, and one that goes on past the deadline is cut off. */
export function closeSocket(socket: WebSocket, code: number, reason: string, deadlineMs: number): void {
  socket.close(code, reason);
  // One that is not read never shows that its peer has gone.
  socket.resume();
  const late = setTimeout(() => socket.terminate(), deadlineMs);
  socket.once('close', () => clearTimeout(late));
}

function inputOf(message: Message): InputBody {
  if ('bytes' in message) {
    if (message.bytes[0] !== channels.stdin) throw new TvmError('invalid_argument', 'a client may only send channel 0');
    return { case: 'stdin', value: message.bytes.subarray(1) };
  }
  const control = check(clientControl, parseJson(message.text), 'message');
  switch (control.type) {
    case 'closeStdin':
      return { case: 'end', value: true };
    case 'resize':
      return { case: 'resize', value: { rows: control.rows, columns: control.columns } };
    case 'signal':
      return { case: 'signal', value: control.signal };
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new TvmError('invalid_argument', 'a text message is no JSON', { cause: error });
  }
}
