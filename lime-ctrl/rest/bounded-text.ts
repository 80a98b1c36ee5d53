// The first bytes of an output as text. Invariant: holds at most `maxBytes`, and never half a character at the cut.
export class BoundedText {
  truncated = false;
  readonly #maxBytes: number;
  readonly #chunks: Uint8Array[] = [];
  #size = 0;

  constructor(maxBytes = 1_048_576) {
    this.#maxBytes = maxBytes;
  }

  add(bytes: Uint8Array): void {
    const room = this.#maxBytes - this.#size;
    if (bytes.length > room) this.truncated = true;
    if (room === 0) return;
    // Copied, so that a few bytes do not hold on to a whole receive buffer.
    const kept = bytes.slice(0, room);
    this.#chunks.push(kept);
    this.#size += kept.length;
  }

  text(): string {
    return new TextDecoder().decode(Buffer.concat(this.#chunks), { stream: this.truncated });
  }
}
