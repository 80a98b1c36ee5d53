// One call to the guest: what it answers as an async iterable, what is sent to it at the pace of its credit.
// Invariant: credit goes back to the guest only for what the consumer has taken.
import type { MessageInitShape } from '@bufbuild/protobuf';
import { TvmError } from '@tvm/api/errors.ts';
import type { Cancel, FrameSchema, InputSchema, WindowUpdate } from '@tvm/api/gen/tvm/guest/v1/guest_pb.js';
import { isChunk, type OutputBody, OutputQueue } from './output-queue.ts';
import { maxChunkBytes, streamWindowBytes, violation } from './wire.ts';

export type InputBody = NonNullable<MessageInitShape<typeof InputSchema>['body']>;
export type FrameBody = NonNullable<MessageInitShape<typeof FrameSchema>['body']>;

/** A call in progress. Leaving the iteration early cancels it. */
export interface GuestStream extends AsyncIterable<OutputBody> {
  /**
   * Sends input; bytes wait for the guest's credit and may have any size. They and their end keep their order; signals
   * and sizes go at once. Rejects with `canceled` when the stream has ended meanwhile.
   */
  send(input: InputBody): Promise<void>;
  /** Tells the guest that nobody wants this any more. The iteration ends with `canceled`. */
  cancel(): void;
}

const returnCreditAtBytes = streamWindowBytes / 4;

export class StreamState implements GuestStream {
  readonly #write: (body: FrameBody) => void;
  readonly #onEnd: () => void;
  readonly #queue = new OutputQueue();
  #ended: { error: TvmError | undefined } | undefined;
  #credit = streamWindowBytes;
  #allowance = streamWindowBytes;
  #unreturned = 0;
  #sending: Promise<void> = Promise.resolve();
  #waiting: (() => void)[] = [];

  /** `write` sends a frame of this stream; `onEnd` is called once, when nothing more may come or go. */
  constructor(write: (body: FrameBody) => void, onEnd: () => void) {
    this.#write = write;
    this.#onEnd = onEnd;
  }

  /** An output of the guest. Throws at a violation of the protocol. */
  accept(body: OutputBody, bytes: number): void {
    if (isChunk(body)) {
      if (body.value.length === 0) throw violation('an empty chunk');
      this.#allowance -= body.value.length;
      if (this.#allowance < 0) throw violation('more output than it had credit for');
    }
    if (!this.#queue.push(body, bytes)) {
      this.#write({ case: 'cancel', value: {} as Cancel });
      this.end(new TvmError('resource_exhausted', 'the guest sends faster than its answers are taken'));
    }
    this.#wake();
  }

  addCredit(update: WindowUpdate): void {
    this.#credit += update.bytes;
    if (update.bytes === 0 || this.#credit > streamWindowBytes) throw violation('credit for what was not sent');
    this.#wake();
  }

  /** Nothing more comes; what has come can still be taken. */
  end(error: TvmError | undefined): void {
    if (this.#ended) return;
    this.#ended = { error };
    this.#onEnd();
    this.#wake();
  }

  cancel(): void {
    this.abort(new TvmError('canceled', 'the call to the guest was canceled'));
  }

  /** Cancels with an error of the caller's choice. */
  abort(error: TvmError): void {
    if (this.#ended) return;
    this.#write({ case: 'cancel', value: {} as Cancel });
    this.end(error);
  }

  send(input: InputBody): Promise<void> {
    const overtakes = input.case === 'signal' || input.case === 'resize';
    if (overtakes) return this.#sendNow(input);
    const sent = this.#sending.then(() => this.#sendNow(input));
    this.#sending = sent.catch(() => undefined);
    return sent;
  }

  async #sendNow(input: InputBody): Promise<void> {
    if (input.case !== 'stdin' && input.case !== 'chunk') {
      this.#checkOpen();
      this.#write({ case: 'input', value: { body: input } });
      return;
    }
    let rest = input.value ?? new Uint8Array();
    while (rest.length > 0) {
      const credit = await this.#waitForCredit();
      const value = rest.subarray(0, Math.min(credit, maxChunkBytes));
      rest = rest.subarray(value.length);
      this.#credit -= value.length;
      this.#write({ case: 'input', value: { body: { case: input.case, value } } });
    }
  }

  async #waitForCredit(): Promise<number> {
    this.#checkOpen();
    while (this.#credit <= 0) {
      await this.#change();
      this.#checkOpen();
    }
    return this.#credit;
  }

  #checkOpen(): void {
    if (this.#ended) {
      throw new TvmError('canceled', 'the call to the guest has ended', { cause: this.#ended.error });
    }
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<OutputBody> {
    try {
      while (true) {
        const body = this.#queue.shift();
        if (body) {
          if (isChunk(body)) this.#returnCredit(body.value.length);
          yield body;
        } else if (this.#ended) {
          if (this.#ended.error) throw this.#ended.error;
          return;
        } else {
          await this.#change();
        }
      }
    } finally {
      this.cancel();
    }
  }

  #returnCredit(bytes: number): void {
    this.#unreturned += bytes;
    if (this.#unreturned < returnCreditAtBytes || this.#ended) return;
    this.#allowance += this.#unreturned;
    this.#write({ case: 'windowUpdate', value: { bytes: this.#unreturned } });
    this.#unreturned = 0;
  }
}
