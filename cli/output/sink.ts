// Standard output and standard error as sinks that take bytes at the reader's pace.
// Invariant: a pipe whose reader is slow never blocks the process, so that signals are still heard.
import { fstatSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Writable } from 'node:stream';
import { Exit, exitCodes } from '../exit-codes.ts';

export interface Sink {
  isTerminal: boolean;
  columns: number;
  /** Resolves when taken. Rejects with Exit (141) when nobody reads any more. */
  write(bytes: Uint8Array | string): Promise<void>;
}

/** `fd` is 1 or 2. */
export function openSink(fd: 1 | 2): Sink {
  const standard = fd === 1 ? process.stdout : process.stderr;
  return makeSink(asyncStream(fd) ?? standard, {
    isTerminal: standard.isTTY === true,
    columns: standard.columns ?? 80,
  });
}

export function makeSink(stream: Writable, { isTerminal = false, columns = 80 } = {}): Sink {
  stream.on('error', () => undefined);
  return {
    isTerminal,
    columns,
    write: (bytes) =>
      new Promise((resolve, reject) => {
        stream.write(bytes, (error) => (error ? reject(writeFailed(error)) : resolve()));
      }),
  };
}

function writeFailed(error: NodeJS.ErrnoException): Error {
  const nobodyReads = error.code === 'EPIPE' || error.code === 'ECONNRESET' || error.code === 'ERR_STREAM_DESTROYED';
  return nobodyReads ? new Exit(exitCodes.brokenPipe) : error;
}

/** Node's own standard streams write to pipes and sockets synchronously; a socket made here does not. */
function asyncStream(fd: number): Writable | undefined {
  const stat = fstatSync(fd);
  return stat.isFIFO() || stat.isSocket() ? new Socket({ fd, readable: false, writable: true }) : undefined;
}
