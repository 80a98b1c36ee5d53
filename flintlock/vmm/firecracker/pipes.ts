// Named pipes that Firecracker writes to: its standard output, where the guest's serial console goes, its log and its metrics.
// It holds both ends of them, so that it never waits for a reader; what does not fit while nobody reads, it drops.
import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { pipes } from './files.ts';

/** Makes the pipes of a VM anew and gives a descriptor of the console's for the VMM to inherit. */
export function makePipes(folder: string): Disposable & { fd: number } {
  execFileSync('mkfifo', ['-m', '600', ...Object.values(pipes)], { cwd: folder });
  const fd = openSync(join(folder, pipes.console), constants.O_RDWR | constants.O_NONBLOCK);
  return { fd, [Symbol.dispose]: () => closeSync(fd) };
}

/** Reads from now on; ends when the VMM has ended. */
export function readConsolePipe(path: string): Socket {
  return new Socket({ fd: openSync(path, constants.O_RDONLY | constants.O_NONBLOCK), readable: true, writable: false });
}

/** Firecracker's metrics are one line of many kilobytes. */
const maxLineBytes = 128 * 1024;

/** Reads a pipe by lines, longer ones in part, until it is closed; `drain` reads what is there at once. */
export class LinePipe implements Disposable {
  readonly #socket: Socket;
  readonly #fd: number;
  readonly #onLine: (line: string) => void;
  #rest = '';

  constructor(path: string, onLine: (line: string) => void) {
    this.#onLine = onLine;
    // For both ways: it does not end when the VMM does, whose last words are read then.
    this.#fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
    this.#socket = new Socket({ fd: this.#fd, readable: true, writable: false });
    this.#socket.on('data', (data) => this.#take(data)).on('error', () => this.#socket.destroy());
    this.#socket.unref();
  }

  drain(): void {
    if (this.#socket.destroyed) return;
    const buffer = Buffer.alloc(64 * 1024);
    try {
      for (let read = buffer.length; read > 0; ) {
        read = readSync(this.#fd, buffer);
        this.#take(buffer.subarray(0, read));
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }

  #take(data: Buffer): void {
    const lines = (this.#rest + data.toString('utf8')).split('\n');
    this.#rest = (lines.pop() ?? '').slice(0, maxLineBytes);
    for (const line of lines) this.#onLine(line.slice(0, maxLineBytes));
  }
}
