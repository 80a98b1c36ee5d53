// What a machine printed, newest part only: two files of which the older is dropped when the newer is full. Marks beside
// them tell when what was printed (log-marks.ts).
// Invariant: never more than twice `maxFileBytes` on disk; a reader that is too slow skips what was dropped.
import { closeSync, fstatSync, openSync, readSync, renameSync, statSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import type { Clock } from '@tvm/kit/clock.ts';
import { type LogMark, LogMarks, type LogSource } from './log-marks.ts';

const defaultMaxFileBytes = 1024 * 1024;
const newline = 10;

export class BoundedLog implements Disposable {
  readonly #path: string;
  readonly #maxFileBytes: number;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #marks: LogMarks;
  #endsLine = true;
  #fd: number;
  /** Logical offset of the first byte of the newer file, and of the end. */
  #newerStart: number;
  #end: number;
  #olderBytes: number;
  #waiting: (() => void)[] = [];
  #closed = false;

  /** `path` and `path.1` are the files, `path.marks` and `path.marks.1` their marks; what they hold already is kept. */
  constructor(path: string, clock: Pick<Clock, 'now'>, maxFileBytes = defaultMaxFileBytes) {
    this.#path = path;
    this.#maxFileBytes = maxFileBytes;
    this.#clock = clock;
    this.#marks = new LogMarks(`${path}.marks`);
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

  append(data: Uint8Array, source: LogSource = 'console'): void {
    if (this.#closed || data.length === 0) return;
    const kept = data.subarray(Math.max(0, data.length - this.#maxFileBytes));
    if (this.#end - this.#newerStart + kept.length > this.#maxFileBytes || this.#marks.isFull) this.#turn();
    this.#marks.note(this.#end - this.#newerStart, this.#clock.now(), source, this.#endsLine);
    writeSync(this.#fd, kept);
    this.#end += kept.length;
    this.#endsLine = kept.at(-1) === newline;
    this.wake();
  }

  /** What is known of when and by what it was written. */
  marks(): LogMark[] {
    return this.#marks.read(this.start, this.#newerStart);
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
    this.#marks[Symbol.dispose]();
    this.wake();
  }

  #turn(): void {
    closeSync(this.#fd);
    renameSync(this.#path, `${this.#path}.1`);
    this.#olderBytes = this.#end - this.#newerStart;
    this.#newerStart = this.#end;
    this.#fd = openSync(this.#path, 'w', 0o600);
    this.#marks.turn();
  }
}
