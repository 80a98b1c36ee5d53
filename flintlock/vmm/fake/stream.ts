// One stream of the fake agent: output under flow control, input as a queue.
// Invariant: never more chunk bytes in flight than the host gave credit for.
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { type FrameSchema, type Input, InputSchema, type OutputSchema } from '@tvm/api/gen/tvm/guest/v1/guest_pb.js';

type FrameBody = NonNullable<MessageInitShape<typeof FrameSchema>['body']>;
export type OutputBody = NonNullable<MessageInitShape<typeof OutputSchema>['body']>;

const initialCreditBytes = 256 * 1024;
const maxChunkBytes = 64 * 1024;

export class AgentStream {
  readonly cancelled = new AbortController();
  readonly #send: (body: FrameBody) => void;
  #creditBytes = initialCreditBytes;
  readonly #inputs: Input[] = [];
  /** Signals do not wait behind unread input. */
  onSignal: (signal: string) => void = () => {};
  #waiting: (() => void)[] = [];

  constructor(send: (body: FrameBody) => void) {
    this.#send = send;
    this.cancelled.signal.addEventListener('abort', () => this.#wake());
  }

  get open(): boolean {
    return !this.cancelled.signal.aborted;
  }

  grant(bytes: number): void {
    this.#creditBytes += bytes;
    this.#wake();
  }

  push(input: Input): void {
    if (input.body.case === 'signal') {
      this.onSignal(input.body.value);
    } else if (input.body.case !== 'resize') {
      this.#inputs.push(input);
      this.#wake();
    }
  }

  output(body: OutputBody): void {
    if (this.open) this.#send({ case: 'output', value: { body } });
  }

  /** Sends in pieces as credit allows; returns early when the stream is cancelled. */
  async chunks(kind: 'stdout' | 'stderr' | 'chunk', data: Uint8Array): Promise<void> {
    for (let at = 0; at < data.length && this.open; ) {
      const size = Math.min(maxChunkBytes, data.length - at, this.#creditBytes);
      if (size === 0) {
        await this.#woken();
        continue;
      }
      this.#creditBytes -= size;
      this.output({ case: kind, value: data.subarray(at, at + size) });
      at += size;
    }
  }

  /** The next input; `end` once the stream is cancelled. Counted bytes are given back as they are taken. */
  async input(): Promise<Input['body']> {
    while (this.#inputs.length === 0) {
      if (!this.open) return create(InputSchema, { body: { case: 'end', value: true } }).body;
      await this.#woken();
    }
    const body = this.#inputs.shift()?.body ?? { case: undefined };
    if (body.case === 'stdin' || body.case === 'chunk') {
      this.#send({ case: 'windowUpdate', value: { bytes: body.value.length } });
    }
    return body;
  }

  /** Bytes of standard input; undefined at its end. */
  async stdin(): Promise<Uint8Array | undefined> {
    const body = await this.input();
    return body.case === 'stdin' ? body.value : undefined;
  }

  end(code = '', message = '', reason = ''): void {
    if (!this.open) return;
    this.#send({ case: 'end', value: { code, message, reason } });
    this.cancelled.abort();
  }

  #woken(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
