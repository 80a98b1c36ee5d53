// What a machine printed, newest part only: two files of which the older is dropped when the newer is full.
// Invariant: never more than twice `maxFileBytes` on disk; a reader that is too slow skips what was dropped.
import { closeSync, fstatSync, openSync, readSync, renameSync, statSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';

const defaultMaxFileBytes = 1024 * 1024;

export class BoundedLog implements Disposable {
  readonly #path: string;
  readonly #maxFileBytes: number;
  #fd: number;
  /** Logical offset of the first byte of the newer file, and of the end. */
  #newerStart: number;
  #end: number;
  #olderBytes: number;
  #waiting: (() => void)[] = [];
  #closed = false;

  /** `path` and `path.1` are the files; what they hold already is kept. */
  constructor(path: string, maxFileBytes = defaultMaxFileBytes) {
    this.#path = path;
    this.#maxFileBytes = maxFileBytes;
    this.#fd = openSync(path, 'a', 0o600);
    this.#olderBytes = statSync(`${path}.1`, { throwIfNoEntry: false })?.size ?? 0;
    this.#newerStart = this.#olderBytes;
    this.#end = this.#newerStart + fstatSync(this.#fd).size;
  }

  get start(): number {
    return this.#newerStart - this.#olderBytes;
  }

  get end(): number {
    return this.#end;
  }

  append(data: Uint8Array): void {
    if (this.#closed) return;
    const kept = data.subarray(Math.max(0, data.length - this.#maxFileBytes));
    if (this.#end - this.#newerStart + kept.length > this.#maxFileBytes) this.#turn();
    writeSync(this.#fd, kept);
    this.#end += kept.length;
    this.wake();
  }

  /** Up to `maxBytes` from `offset` on, or from the oldest byte there is when that is later. */
  async read(offset: number, maxBytes: number): Promise<{ data: Buffer; next: number }> {
    const from = Math.max(offset, this.start);
    const inNewer = from >= this.#newerStart;
    const position = inNewer ? from - this.#newerStart : from - this.start;
    const length = Math.min(maxBytes, (inNewer ? this.#end : this.#newerStart) - from);
    if (length <= 0) return { data: Buffer.alloc(0), next: from };
    await using file = await open(inNewer ? this.#path : `${this.#path}.1`, 'r');
    const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, position);
    return { data: buffer.subarray(0, bytesRead), next: from + bytesRead };
  }

  /** Last part of the log as text, for messages. */
  tail(maxBytes = 2048): string {
    const size = Math.min(maxBytes, this.#end - this.#newerStart);
    const fd = openSync(this.#path, 'r');
    try {
      const buffer = Buffer.alloc(size);
      readSync(fd, buffer, 0, size, this.#end - this.#newerStart - size);
      return buffer.toString('utf8').trim();
    } finally {
      closeSync(fd);
    }
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Resolves at once when there is something after `offset`; else at the next append, `wake`, close or abort. */
  async changed(offset: number, signal: AbortSignal): Promise<void> {
    if (this.#end > offset || this.#closed || signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const onAbort = () => resolve();
    this.#waiting.push(resolve);
    signal.addEventListener('abort', onAbort);
    await promise;
    signal.removeEventListener('abort', onAbort);
  }

  /** Lets those who wait for a change look again. */
  wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#fd);
    this.wake();
  }

  #turn(): void {
    closeSync(this.#fd);
    renameSync(this.#path, `${this.#path}.1`);
    this.#olderBytes = this.#end - this.#newerStart;
    this.#newerStart = this.#end;
    this.#fd = openSync(this.#path, 'w', 0o600);
  }
}
