// Begins a connection: the preamble, repeated until the guest answers it.
import type { Duplex } from 'node:stream';
import { TvmError } from '@tvm/api/errors.ts';
import { FramedConnection, type GuestConnection } from './connection.ts';
import { AnswerFinder, FrameDecoder, makePreamble } from './wire.ts';

export interface ConnectOptions {
  /** How long the guest may take to answer: the rest of its boot, for a new one. */
  timeoutMs: number;
  /** Whose guest it is, as errors tell it: "machine/UID". */
  object?: string;
  signal?: AbortSignal;
}

const repeatAfterMs = 100;

/**
 * Connects to the agent behind `duplex`, which belongs to the connection from now on: it is destroyed when this fails.
 * Rejects with `deadline_exceeded`, `canceled` (signal) or `unavailable` (the duplex ended).
 */
export function connect(duplex: Duplex, options: ConnectOptions): Promise<GuestConnection> {
  const { promise, resolve, reject } = Promise.withResolvers<GuestConnection>();
  const { preamble, answer } = makePreamble();
  const finder = new AnswerFinder(answer);
  const { signal } = options;

  let repeats = 0;
  const sayPreamble = () => {
    repeats += 1;
    duplex.write(preamble);
  };
  const stop = () => {
    clearInterval(repeat);
    clearTimeout(deadline);
    duplex.off('data', onData).off('error', onLost).off('end', onLost).off('close', onLost);
    signal?.removeEventListener('abort', onAbort);
  };
  const fail = (error: TvmError) => {
    stop();
    duplex.on('error', () => undefined);
    duplex.destroy();
    reject(error);
  };
  const onData = (bytes: Uint8Array) => {
    const rest = finder.push(bytes);
    if (!rest) return;
    duplex.pause();
    stop();
    resolve(new FramedConnection(duplex, new FrameDecoder(answer, repeats - 1), rest, options.object));
  };
  const onLost = (cause?: Error) =>
    fail(new TvmError('unavailable', 'the channel to the guest ended before the agent answered', { cause }));
  const onAbort = () =>
    fail(new TvmError('canceled', 'connecting to the guest was canceled', { cause: signal?.reason }));
  const onDeadline = () =>
    fail(new TvmError('deadline_exceeded', `the guest agent has not answered within ${options.timeoutMs} ms`));

  const repeat = setInterval(sayPreamble, repeatAfterMs);
  const deadline = setTimeout(onDeadline, options.timeoutMs);
  duplex.on('data', onData).on('error', onLost).on('end', onLost).on('close', onLost);
  duplex.resume();
  signal?.addEventListener('abort', onAbort);
  if (signal?.aborted) onAbort();
  else if (duplex.destroyed) onLost();
  else sayPreamble();
  return promise;
}
