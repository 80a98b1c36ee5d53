// The service's log: the supervisor and its parts append to one file. Invariant: it stays bounded, and a part never
// blocks or fails because of it (the file is copied and cut, so open descriptors stay good).
import { closeSync, copyFileSync, fstatSync, openSync, readSync, statSync, truncateSync } from 'node:fs';

const maxBytes = 8 * 1024 * 1024;
const checkIntervalMs = 2_000;

/** Every program writes through its own descriptor in append mode. */
export function openLog(path: string): number {
  return openSync(path, 'a', 0o600);
}

/** Moves what is there to PATH.1 when it has grown beyond the bound. */
export function rotateLog(path: string, limitBytes = maxBytes): boolean {
  if (statSync(path).size <= limitBytes) return false;
  copyFileSync(path, `${path}.1`);
  truncateSync(path, 0);
  return true;
}

/** Keeps the file bounded until disposed. */
export function keepLogBounded(path: string): Disposable {
  const timer = setInterval(() => rotateLog(path), checkIntervalMs);
  timer.unref();
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

/** The last lines, for an error message. Empty when there is no log. */
export function logTail(path: string, lines = 15, fromByte = 0): string {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch {
    return '';
  }
  try {
    const size = fstatSync(fd).size;
    const start = Math.max(size - 32 * 1024, size >= fromByte ? fromByte : 0);
    const buffer = Buffer.alloc(Math.max(0, size - start));
    readSync(fd, buffer, 0, buffer.length, start);
    return buffer.toString('utf8').trimEnd().split('\n').slice(-lines).join('\n');
  } finally {
    closeSync(fd);
  }
}
