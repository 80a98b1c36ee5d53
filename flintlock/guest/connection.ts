// A connection to the agent in a guest over any duplex byte stream: many calls at once, each a stream.
// Invariant: everything from the guest is hostile: what breaks the protocol closes the connection with a typed error,
// and every call ends when the connection does.
import type { Duplex } from 'node:stream';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { type ErrorCode, errorCodes, TvmError } from '@tvm/api/errors.ts';
import { type End, type Frame, FrameSchema, type RequestSchema } from '@tvm/api/gen/tvm/guest/v1/guest_pb.js';
import { type FrameBody, type GuestStream, StreamState } from './stream.ts';
import { encodeFrame, type FrameDecoder, violation } from './wire.ts';

export type Call = NonNullable<MessageInitShape<typeof RequestSchema>['call']>;

export interface GuestConnection extends AsyncDisposable {
  /**
   * Sends a request. What the guest answers, and the failure it ends with, come from the stream. `signal` cancels it.
   * Throws `invalid_argument` for a request that is too large.
   */
  call(request: Call, signal?: AbortSignal): GuestStream;
  /** Ends the connection; calls in progress fail with `unavailable`. */
  close(): void;
  /** Resolves when the connection has ended: with the reason, or undefined after `close`. */
  readonly closed: Promise<TvmError | undefined>;
}

/** The reason of calls whose connection ended under them. */
export const guestLost = 'GuestLost';

const maxMessageLength = 4096;
const reasonPattern = /^[A-Z][A-Za-z]{0,63}$/;
const maxIgnoredBytesPerCall = 4 * 1024 * 1024;

export class FramedConnection implements GuestConnection {
  readonly closed: Promise<TvmError | undefined>;
  readonly #duplex: Duplex;
  readonly #decoder: FrameDecoder;
  readonly #object: string | undefined;
  readonly #streams = new Map<number, StreamState>();
  #lastStream = 0;
  #ignoredBytes = 0;
  #isClosed = false;
  #resolveClosed: (reason: TvmError | undefined) => void;

  /**
   * Takes over a duplex on which the guest has answered the preamble; `rest` is what has come after that. `object`: whose
   * guest it is.
   */
  constructor(duplex: Duplex, decoder: FrameDecoder, rest: Uint8Array, object?: string) {
    const { promise, resolve } = Promise.withResolvers<TvmError | undefined>();
    this.closed = promise;
    this.#resolveClosed = resolve;
    this.#duplex = duplex;
    this.#decoder = decoder;
    this.#object = object;
    duplex.on('data', (bytes: Uint8Array) => this.#accept(bytes));
    duplex.on('error', (error) => this.#end(this.#lost(error)));
    duplex.on('end', () => this.#end(this.#lost()));
    duplex.on('close', () => this.#end(this.#lost()));
    this.#accept(rest);
    duplex.resume();
  }

  call(request: Call, signal?: AbortSignal): GuestStream {
    if (this.#isClosed) throw this.#lost();
    if (signal?.aborted) throw canceled(signal);
    const id = ++this.#lastStream;
    const onAbort = () => stream.abort(canceled(signal));
    const stream = new StreamState(
      (body) => this.#write(id, body),
      () => {
        this.#streams.delete(id);
        signal?.removeEventListener('abort', onAbort);
      },
    );
    const bytes = encodeFrame(create(FrameSchema, { stream: id, body: { case: 'request', value: { call: request } } }));
    // Registered before it is written: a channel may answer at once.
    this.#streams.set(id, stream);
    signal?.addEventListener('abort', onAbort);
    this.#duplex.write(bytes);
    return stream;
  }

  close(): void {
    this.#end(undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.closed;
  }

  #write(stream: number, body: FrameBody): void {
    const bytes = encodeFrame(create(FrameSchema, { stream, body }));
    if (!this.#isClosed) this.#duplex.write(bytes);
  }

  #accept(bytes: Uint8Array): void {
    if (this.#isClosed) return;
    try {
      for (const { frame, bytes: size } of this.#decoder.push(bytes)) this.#dispatch(frame, size);
    } catch (error) {
      this.#end(TvmError.from(error));
    }
  }

  #dispatch(frame: Frame, size: number): void {
    if (frame.stream === 0 || frame.stream > this.#lastStream) throw violation('a frame for an unknown stream');
    const stream = this.#streams.get(frame.stream);
    if (!stream) {
      this.#ignore(size);
      return;
    }
    const { body } = frame;
    if (body.case === 'output' && body.value.body.case !== undefined) stream.accept(body.value.body, size);
    else if (body.case === 'windowUpdate') stream.addCredit(body.value);
    else if (body.case === 'end') stream.end(errorOf(body.value));
    else throw violation(`a frame that no agent sends (${body.case ?? 'empty'})`);
  }

  /** What was under way when a stream was canceled: more than that is an attempt to keep us busy. */
  #ignore(bytes: number): void {
    this.#ignoredBytes += bytes;
    if (this.#ignoredBytes > maxIgnoredBytesPerCall * this.#lastStream) throw violation('too much on ended streams');
  }

  #end(reason: TvmError | undefined): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const error = reason ?? this.#over('the connection to the guest was closed');
    for (const stream of [...this.#streams.values()]) stream.end(error);
    // Errors of a stream that is being given up say nothing new.
    this.#duplex.on('error', () => undefined);
    this.#duplex.destroy();
    this.#resolveClosed(reason);
  }

  #lost(cause?: Error): TvmError {
    return this.#over('the connection to the guest agent was lost', cause);
  }

  #over(message: string, cause?: Error): TvmError {
    const about = this.#object === undefined ? {} : { object: this.#object };
    return new TvmError('unavailable', message, { cause, reason: guestLost, ...about });
  }
}

function canceled(signal: AbortSignal | undefined): TvmError {
  return new TvmError('canceled', 'the call to the guest was canceled', { cause: signal?.reason });
}

/** A failure in the guest's words; a code that is not ours is `internal`. */
function errorOf(end: End): TvmError | undefined {
  if (end.code === '') return undefined;
  const code: ErrorCode = errorCodes.find((known) => known === end.code) ?? 'internal';
  const reason = reasonPattern.test(end.reason) ? { reason: end.reason } : {};
  return new TvmError(code, end.message.slice(0, maxMessageLength), reason);
}
