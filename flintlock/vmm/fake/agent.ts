// The agent of a fake guest: speaks the real protocol over any duplex.
// Invariant: a new preamble voids all streams of the connection before; a paused guest says and hears nothing.
import type { Duplex } from 'node:stream';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { TvmError } from '@tvm/api/errors.ts';
import { type Frame, FrameSchema } from '@tvm/api/gen/tvm/guest/v1/guest_pb.js';
import { answerRequest, type GuestMemory } from './requests.ts';
import { AgentStream } from './stream.ts';
import { encodeFrame, makeFrameReader } from './wire.ts';

export class FakeAgent {
  readonly #memory: GuestMemory;
  readonly #streams = new Map<number, AgentStream>();
  #channel: Duplex | undefined;
  #paused = false;
  #held: Buffer[] = [];

  constructor(memory: GuestMemory) {
    this.#memory = memory;
  }

  /** Speaks on this channel from now on; the one before ends. */
  connect(channel: Duplex): void {
    this.disconnect();
    this.#channel = channel;
    const read = makeFrameReader({
      onPreamble: (answer) => {
        this.#dropStreams();
        this.#write(answer);
      },
      onFrame: (frame) => this.#accept(frame),
    });
    // Never within the host's own write, as with a real machine.
    channel.on('data', (data) => queueMicrotask(() => read(data)));
    channel.on('error', () => undefined);
    channel.on('close', () => {
      if (this.#channel === channel) this.disconnect();
    });
    if (this.#paused) channel.pause();
  }

  disconnect(): void {
    this.#channel?.destroy();
    this.#channel = undefined;
    this.#held = [];
    this.#dropStreams();
  }

  pause(): void {
    this.#paused = true;
    this.#channel?.pause();
  }

  resume(): void {
    this.#paused = false;
    for (const bytes of this.#held.splice(0)) this.#write(bytes);
    this.#channel?.resume();
  }

  #dropStreams(): void {
    for (const stream of this.#streams.values()) stream.cancelled.abort();
    this.#streams.clear();
  }

  #write(bytes: Buffer): void {
    if (this.#paused) this.#held.push(bytes);
    else if (this.#channel?.writable) this.#channel.write(bytes);
  }

  #accept(frame: Frame): void {
    const { body, stream: id } = frame;
    if (body.case === 'request') this.#open(id, body.value.call);
    const stream = this.#streams.get(id);
    if (!stream) return;
    if (body.case === 'input') stream.push(body.value);
    if (body.case === 'windowUpdate') stream.grant(body.value.bytes);
    if (body.case === 'cancel') {
      this.#streams.delete(id);
      stream.cancelled.abort();
    }
  }

  #open(id: number, call: Parameters<typeof answerRequest>[1]): void {
    const send = (body: MessageInitShape<typeof FrameSchema>['body']) => {
      if (this.#streams.get(id) === stream && body) {
        this.#write(encodeFrame(create(FrameSchema, { stream: id, body })));
      }
    };
    const stream = new AgentStream(send);
    this.#streams.set(id, stream);
    answerRequest(this.#memory, call, stream)
      .then(
        () => stream.end(),
        (thrown) => {
          const error = TvmError.from(thrown);
          stream.end(error.code, error.message, error.reason);
        },
      )
      .finally(() => {
        if (this.#streams.get(id) === stream) this.#streams.delete(id);
      });
  }
}
