// When which part of a log was written, and by what: marks of 16 bytes in a file beside each file of the log.
// Invariant: at most `maxMarks` a file; marks are in the order of what they speak of.
import { closeSync, openSync, readFileSync, renameSync, statSync, writeSync } from 'node:fs';

/** `console`: the kernel and the agent; else the machine's command. */
export const logSources = ['console', 'stdout', 'stderr'] as const;
export type LogSource = (typeof logSources)[number];

/** From `offset` on, until the next mark. */
export interface LogMark {
  offset: number;
  timeMs: number;
  source: LogSource;
}

/** Together with its file of the log, the newer one begins anew after so many. */
const maxMarks = 8192;
/** Lines closer than this share a mark. */
const markEveryMs = 100;
/** A line that goes on for so long gets another. */
const markLineMs = 1000;
const markBytes = 16;

export class LogMarks implements Disposable {
  readonly #path: string;
  #fd: number;
  #count: number;
  #last: Omit<LogMark, 'offset'> | undefined;

  /** `path` and `path.1` are the files. */
  constructor(path: string) {
    this.#path = path;
    this.#fd = openSync(path, 'a', 0o600);
    this.#count = Math.floor(statSync(path).size / markBytes);
  }

  get isFull(): boolean {
    return this.#count >= maxMarks;
  }

  /** Tells of what begins at `position` of the newer file. */
  note(position: number, timeMs: number, source: LogSource, beginsLine: boolean): void {
    const last = this.#last;
    const sinceMs = last?.source === source ? timeMs - last.timeMs : Number.POSITIVE_INFINITY;
    const isNew = sinceMs >= (beginsLine ? markEveryMs : markLineMs);
    if (!isNew || this.isFull) return;
    const mark = Buffer.alloc(markBytes);
    mark.writeUInt32LE(position, 0);
    mark.writeUInt32LE(logSources.indexOf(source), 4);
    mark.writeDoubleLE(timeMs, 8);
    writeSync(this.#fd, mark);
    this.#count += 1;
    this.#last = { timeMs, source };
  }

  /** All marks; `start` and `newerStart` are the offsets of the first bytes of both files. */
  read(start: number, newerStart: number): LogMark[] {
    return [...marksOf(`${this.#path}.1`, start), ...marksOf(this.#path, newerStart)];
  }

  /** The newer file becomes the older one. */
  turn(): void {
    closeSync(this.#fd);
    renameSync(this.#path, `${this.#path}.1`);
    this.#fd = openSync(this.#path, 'w', 0o600);
    this.#count = 0;
    this.#last = undefined;
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

function marksOf(path: string, start: number): LogMark[] {
  if (!statSync(path, { throwIfNoEntry: false })) return [];
  const bytes = readFileSync(path);
  const marks: LogMark[] = [];
  for (let at = 0; at + markBytes <= bytes.length; at += markBytes) {
    const source = logSources[bytes.readUInt32LE(at + 4)] ?? 'console';
    marks.push({ offset: start + bytes.readUInt32LE(at), timeMs: bytes.readDoubleLE(at + 8), source });
  }
  return marks;
}
