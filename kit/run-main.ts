// The life of a daemon's process: start, say ready, run until a signal, close what was opened, exit.
// Invariant: resources of the body are closed before the process ends, within a deadline.
import { TvmError } from '@tvm/api/errors.ts';
import type { Logger } from './log.ts';

const defaultCloseDeadlineMs = 10_000;

/** Tells a parent that started this process with an IPC channel (the one-machine service) where it listens. */
export function notifyReady(details: Record<string, string>): void {
  process.send?.({ ready: true, ...details });
}

/** Tells such a parent why this process ends without having served, then ends it. */
async function endFailed(error: unknown): Promise<never> {
  const { message } = TvmError.from(error);
  await new Promise((resolve) => (process.send ? process.send({ failed: message }, resolve) : resolve(undefined)));
  process.exit(1);
}

/** The daemon's settings. One that means nothing ends the process with its words, which need no stack. */
export async function settingsFrom<T>(read: () => T): Promise<T> {
  try {
    return read();
  } catch (error) {
    process.stderr.write(`${TvmError.from(error).message}\n`);
    return await endFailed(error);
  }
}

/**
 * Runs a daemon. `body` opens what it needs with `await using`, calls `notifyReady`, and returns when `signal` aborts
 * (SIGTERM, SIGINT), `closeDeadlineMs` later at most.
 */
export async function runMain(
  log: Logger,
  body: (signal: AbortSignal) => Promise<void>,
  closeDeadlineMs = defaultCloseDeadlineMs,
): Promise<void> {
  const stop = new AbortController();
  const onSignal = (name: string) => {
    if (stop.signal.aborted) process.exit(1);
    log.info({ signal: name }, 'stopping');
    stop.abort();
    setTimeout(() => {
      log.error('not closed in time, exiting');
      process.exit(1);
    }, closeDeadlineMs).unref();
  };
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  // A parent that was killed says nothing else.
  process.once('disconnect', () => stop.signal.aborted || onSignal('disconnect'));
  try {
    await body(stop.signal);
    process.exit(0);
  } catch (error) {
    log.fatal({ err: error }, 'failed');
    await endFailed(error);
  }
}

/** Resolves when `signal` aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
