// The log of a machine as a reader wants it: its end, what is newer than a time, of one source, with the time of each line.
// Invariant: what is held in memory is never more than the log itself may be.
import type { BoundedLog } from './bounded-log.ts';
import type { LogMark, LogSource } from './log-marks.ts';

export interface LogQuery {
  /** Go on until `isOver`. */
  follow: boolean;
  /** Only so much of what there is; 0: all. */
  tailBytes: number;
  tailLines: number;
  /** Only what was written then or later, in milliseconds since 1970; 0: all. */
  sinceMs: number;
  timestamps: boolean;
  /** Undefined: all. */
  source: LogSource | undefined;
}

interface Piece {
  data: Buffer;
  /** Undefined: not known any more. */
  mark: Omit<LogMark, 'offset'> | undefined;
}

const chunkBytes = 64 * 1024;
const newline = 10;

/** Oldest first; what a slow reader did not take in time is skipped. */
export async function* readLog(
  output: BoundedLog,
  query: LogQuery,
  isOver: () => boolean,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const render = query.timestamps ? makeStamp() : ({ data }: Piece) => data;
  let offset = query.tailBytes === 0 ? 0 : Math.max(0, output.end - query.tailBytes);
  if (query.tailLines > 0) {
    const past = await readPast(output, query, offset);
    for (const piece of lastLines(past.pieces, query.tailLines)) yield render(piece);
    offset = past.next;
  }
  while (!signal.aborted) {
    const { pieces, next, isEnd } = await readPieces(output, query, offset);
    offset = next;
    for (const piece of pieces) yield render(piece);
    if (!isEnd) continue;
    if (!query.follow || output.closed || isOver()) return;
    await output.changed(offset, signal);
  }
}

async function readPast(output: BoundedLog, query: LogQuery, from: number) {
  const pieces: Piece[] = [];
  const end = output.end;
  let next = from;
  while (next < end) {
    const read = await readPieces(output, query, next);
    if (read.isEnd) break;
    pieces.push(...read.pieces);
    next = read.next;
  }
  return { pieces, next };
}

async function readPieces(output: BoundedLog, query: LogQuery, offset: number) {
  const { data, next } = await output.read(offset, chunkBytes);
  const asksForMarks = query.timestamps || query.sinceMs > 0 || query.source !== undefined;
  const pieces = asksForMarks ? split(data, next - data.length, output.marks()) : [{ data, mark: undefined }];
  return { pieces: pieces.filter((piece) => isWanted(piece, query)), next, isEnd: data.length === 0 };
}

function isWanted({ data, mark }: Piece, { sinceMs, source }: LogQuery): boolean {
  if (data.length === 0) return false;
  if (source !== undefined && mark?.source !== source) return false;
  return sinceMs === 0 || (mark !== undefined && mark.timeMs >= sinceMs);
}

/** `data` begins at `offset`. */
function split(data: Buffer, offset: number, marks: LogMark[]): Piece[] {
  const end = offset + data.length;
  const inside = marks.filter((mark) => mark.offset > offset && mark.offset < end);
  const before = marks.findLast((mark) => mark.offset <= offset);
  const cuts = [{ offset, mark: before }, ...inside.map((mark) => ({ offset: mark.offset, mark }))];
  return cuts.map(({ offset: start, mark }, index) => {
    const stop = cuts[index + 1]?.offset ?? end;
    return { data: data.subarray(start - offset, stop - offset), mark };
  });
}

/** A last line without an end counts as one. */
function lastLines(pieces: Piece[], count: number): Piece[] {
  let left = count;
  const kept: Piece[] = [];
  for (let index = pieces.length - 1; index >= 0; index -= 1) {
    const piece = pieces[index] as Piece;
    const isLast = index === pieces.length - 1;
    let at = piece.data.length - (isLast && piece.data.at(-1) === newline ? 1 : 0);
    for (; at > 0; at -= 1) {
      if (piece.data[at - 1] !== newline) continue;
      left -= 1;
      if (left === 0)
        return [{ ...piece, data: piece.data.subarray(at) }, ...kept].filter(({ data }) => data.length > 0);
    }
    kept.unshift(piece);
  }
  return kept;
}

/** Puts the time before each line, as RFC 3339 in UTC. */
function makeStamp(): (piece: Piece) => Buffer {
  let beginsLine = true;
  return ({ data, mark }) => {
    const time = Buffer.from(`${mark ? new Date(mark.timeMs).toISOString() : '-'} `);
    const parts: Buffer[] = [];
    for (let at = 0; at < data.length; ) {
      const found = data.indexOf(newline, at);
      const end = found < 0 ? data.length : found + 1;
      if (beginsLine) parts.push(time);
      parts.push(data.subarray(at, end));
      beginsLine = found >= 0;
      at = end;
    }
    return Buffer.concat(parts);
  };
}
