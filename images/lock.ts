// A lock between processes. Invariant: the kernel holds it for a flock(1) child whose standard input is a pipe of ours, so it
// is free as soon as we let go or die, however we die.
import { spawn } from 'node:child_process';
import { TvmError } from '@tvm/api/errors.ts';
import { requireTool } from './tools.ts';

/** Waits until the lock on the file is ours; disposing lets go. Throws `canceled` when `signal` aborts while waiting. */
export async function holdLock(path: string, signal?: AbortSignal): Promise<AsyncDisposable> {
  if (signal?.aborted) throw canceled();
  const holder = spawn(requireTool('flock'), ['--exclusive', path, '-c', 'echo locked; exec cat'], {
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  });
  const ended = new Promise<void>((resolve) => holder.once('close', () => resolve()));
  const kill = () => holder.kill('SIGKILL');
  signal?.addEventListener('abort', kill, { once: true });
  try {
    await new Promise<void>((resolve, reject) => {
      let complaint = '';
      holder.stderr.on('data', (chunk: Buffer) => {
        complaint += chunk.toString();
      });
      holder.stdout.once('data', () => resolve());
      holder.once('error', reject);
      ended.then(() =>
        reject(signal?.aborted ? canceled() : new TvmError('internal', `cannot lock ${path}: ${complaint.trim()}`)),
      );
    });
  } finally {
    signal?.removeEventListener('abort', kill);
  }
  return {
    [Symbol.asyncDispose]: async () => {
      holder.stdin.end();
      await ended;
    },
  };
}

function canceled(): TvmError {
  return new TvmError('canceled', 'waiting for another process to make the same thing was canceled');
}
