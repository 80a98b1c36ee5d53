// Frames and preambles on the guest's byte channel, host side (see guest.proto).
// Invariant: whatever bytes a guest sends, in whatever pieces, no more than one frame of them is held.
import { randomBytes } from 'node:crypto';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { TvmError } from '@tvm/api/errors.ts';
import { type Frame, FrameSchema } from '@tvm/api/gen/tvm/guest/v1/guest_pb.js';

export const maxPayloadBytes = 128 * 1024;
export const maxChunkBytes = 64 * 1024;
export const streamWindowBytes = 256 * 1024;

const magic = Buffer.from('TVF1');
const preambleMark = Buffer.from('TVMSYNC1');
const answerMark = Buffer.from('TVMSYNC2');
const headerBytes = 8;

/** What begins a connection, and the guest's answer to exactly that. */
export interface Preamble {
  preamble: Uint8Array;
  answer: Buffer;
}

export function makePreamble(nonce: Uint8Array = randomBytes(16)): Preamble {
  return { preamble: Buffer.concat([preambleMark, nonce]), answer: Buffer.concat([answerMark, nonce]) };
}

/** The bytes of a frame. Throws `invalid_argument` when it is larger than a guest accepts. */
export function encodeFrame(frame: Frame): Uint8Array {
  const payload = toBinary(FrameSchema, frame);
  if (payload.length > maxPayloadBytes) {
    const message = `a message to the guest has ${payload.length} bytes, more than ${maxPayloadBytes}`;
    throw new TvmError('invalid_argument', message, { hint: 'Write large content as files.' });
  }
  const bytes = Buffer.allocUnsafe(headerBytes + payload.length);
  magic.copy(bytes);
  bytes.writeUInt32LE(payload.length, magic.length);
  bytes.set(payload, headerBytes);
  return bytes;
}

/** Skips bytes until the answer to a preamble has come. */
export class AnswerFinder {
  readonly #answer: Buffer;
  #held: Buffer = Buffer.alloc(0);

  constructor(answer: Buffer) {
    this.#answer = answer;
  }

  /** The bytes after the answer, or undefined while it has not come. */
  push(bytes: Uint8Array): Buffer | undefined {
    const joined = Buffer.concat([this.#held, bytes]);
    const index = joined.indexOf(this.#answer);
    if (index >= 0) return joined.subarray(index + this.#answer.length);
    this.#held = Buffer.from(joined.subarray(Math.max(0, joined.length - this.#answer.length + 1)));
    return undefined;
  }
}

/** A frame and the size it had on the wire. */
export interface ReceivedFrame {
  frame: Frame;
  bytes: number;
}

/** Takes frames out of the bytes that follow the answer, skipping as many further answers as the preamble was repeated. */
export class FrameDecoder {
  readonly #answer: Buffer;
  #answersLeft: number;
  readonly #buffer: Buffer = Buffer.allocUnsafe(headerBytes + maxPayloadBytes);
  #length = 0;

  constructor(answer: Buffer, answersLeft: number) {
    this.#answer = answer;
    this.#answersLeft = answersLeft;
  }

  /** Yields each frame that is complete. Throws `data_loss` at bytes that are not one. */
  *push(bytes: Uint8Array): Generator<ReceivedFrame> {
    let rest = bytes;
    while (rest.length > 0) {
      const taken = Math.min(rest.length, this.#wanted() - this.#length);
      this.#buffer.set(rest.subarray(0, taken), this.#length);
      this.#length += taken;
      rest = rest.subarray(taken);
      const received = this.#take();
      if (received) yield received;
    }
  }

  /** How many bytes the buffer must hold before there is something to decide. */
  #wanted(): number {
    if (this.#length < magic.length) return magic.length;
    if (this.#startsWith(magic)) return this.#length < headerBytes ? headerBytes : headerBytes + this.#payloadBytes();
    return this.#answer.length;
  }

  #startsWith(expected: Buffer): boolean {
    const length = Math.min(this.#length, expected.length);
    return this.#buffer.compare(expected, 0, length, 0, length) === 0;
  }

  #payloadBytes(): number {
    const length = this.#buffer.readUInt32LE(magic.length);
    if (length > maxPayloadBytes) throw violation(`a frame of ${length} bytes`);
    return length;
  }

  #take(): ReceivedFrame | undefined {
    if (!this.#startsWith(magic) && !this.#startsWith(this.#answer)) throw violation('bytes that are not a frame');
    if (this.#length < magic.length || this.#length < this.#wanted()) return undefined;
    const bytes = this.#length;
    const payload = Uint8Array.prototype.slice.call(this.#buffer, headerBytes, bytes);
    const isFrame = this.#startsWith(magic);
    this.#length = 0;
    if (isFrame) return { frame: decodeFrame(payload), bytes };
    if (this.#answersLeft-- <= 0) throw violation('an answer to no preamble');
    return undefined;
  }
}

function decodeFrame(payload: Uint8Array): Frame {
  try {
    return fromBinary(FrameSchema, payload);
  } catch (error) {
    throw violation('a frame that cannot be read', error);
  }
}

/** The guest broke the protocol: nothing more from it can be understood or trusted. */
export function violation(what: string, cause?: unknown): TvmError {
  return new TvmError('data_loss', `the guest agent sent ${what}`, {
    cause,
    reason: 'GuestProtocolViolation',
    hint: 'The machine may be compromised or broken: destroy it.',
  });
}
