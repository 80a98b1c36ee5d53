// Firecracker's standard output, where the guest's serial console goes: a named pipe. Firecracker holds both ends of it, so
// that it never ends for want of a reader; while nobody reads, what does not fit is dropped by Firecracker.
import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import { Socket } from 'node:net';

/** Makes the pipe anew and gives a descriptor for the VMM to inherit. */
export function makeConsolePipe(path: string): Disposable & { fd: number } {
  execFileSync('mkfifo', ['-m', '600', path]);
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  return { fd, [Symbol.dispose]: () => closeSync(fd) };
}

/** Reads from now on; ends when the VMM has ended. */
export function readConsolePipe(path: string): Socket {
  return new Socket({ fd: openSync(path, constants.O_RDONLY | constants.O_NONBLOCK), readable: true, writable: false });
}
