// The life of a daemon's process: start, say ready, run until a signal, close what was opened, exit.
// Invariant: resources of the body are closed before the process ends, within a deadline.
import type { Logger } from './log.ts';

const closeDeadlineMs = 10_000;

/** Tells a parent that started this process with an IPC channel (the one-machine service) where it listens. */
export function notifyReady(details: Record<string, string>): void {
  process.send?.({ ready: true, ...details });
}

/**
 * Runs a daemon. `body` opens what it needs with `await using`, calls `notifyReady`, and returns when `signal` aborts
 * (SIGTERM, SIGINT).
 */
export async function runMain(log: Logger, body: (signal: AbortSignal) => Promise<void>): Promise<void> {
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
    process.exit(1);
  }
}

/** Resolves when `signal` aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
