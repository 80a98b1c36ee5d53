// What a guest has sent on one stream and nobody has taken yet.
// Invariant: bounded whatever the guest sends: small chunks are merged, other messages are limited in number and size.
import type { Output } from '@tvm/api/gen/tvm/guest/v1/guest_pb.js';
import { maxChunkBytes } from './wire.ts';

export type OutputBody = Exclude<Output['body'], { case: undefined }>;
export type ChunkCase = 'stdout' | 'stderr' | 'chunk';
export type ChunkBody = Extract<OutputBody, { case: ChunkCase }>;

const maxMessages = 16_384;
const maxMessageBytes = 2 * 1024 * 1024;

/** Chunks of one kind, joined in a buffer that grows by doubling. */
interface Chunks {
  case: ChunkCase;
  buffer: Buffer;
  length: number;
}

type Item = { chunks: Chunks } | { message: OutputBody; bytes: number };

export function isChunk(body: OutputBody): body is ChunkBody {
  return body.case === 'stdout' || body.case === 'stderr' || body.case === 'chunk';
}

export class OutputQueue {
  readonly #items: Item[] = [];
  readonly #open = new Map<ChunkCase, Chunks>();
  #messages = 0;
  #messageBytes = 0;

  /** False when a message does not fit any more. Chunks always fit: credit bounds them. */
  push(body: OutputBody, bytes: number): boolean {
    if (isChunk(body)) {
      this.#pushChunk(body.case, body.value);
      return true;
    }
    if (this.#messages >= maxMessages || this.#messageBytes + bytes > maxMessageBytes) return false;
    this.#messages += 1;
    this.#messageBytes += bytes;
    this.#open.clear();
    this.#items.push({ message: body, bytes });
    return true;
  }

  /** The oldest message or joined chunk. */
  shift(): OutputBody | undefined {
    const item = this.#items.shift();
    if (!item) return undefined;
    if ('message' in item) {
      this.#messages -= 1;
      this.#messageBytes -= item.bytes;
      return item.message;
    }
    const { chunks } = item;
    if (this.#open.get(chunks.case) === chunks) this.#open.delete(chunks.case);
    return { case: chunks.case, value: chunks.buffer.subarray(0, chunks.length) };
  }

  #pushChunk(kind: ChunkCase, value: Uint8Array): void {
    const open = this.#open.get(kind);
    if (open && open.length + value.length <= maxChunkBytes) {
      append(open, value);
      return;
    }
    const chunks = { case: kind, buffer: Buffer.from(value), length: value.length };
    this.#open.set(kind, chunks);
    this.#items.push({ chunks });
  }
}

function append(chunks: Chunks, value: Uint8Array): void {
  const length = chunks.length + value.length;
  if (length > chunks.buffer.length) {
    const grown = Buffer.allocUnsafe(Math.min(maxChunkBytes, Math.max(length, chunks.buffer.length * 2)));
    chunks.buffer.copy(grown, 0, 0, chunks.length);
    chunks.buffer = grown;
  }
  chunks.buffer.set(value, chunks.length);
  chunks.length = length;
}
