// Adds every key again from time to time: what a lost event missed is found then.
import type { Clock } from '../clock.ts';
import type { WorkQueue } from './work-queue.ts';

/** Runs until the signal aborts. The keys of one round are spread over a tenth of the interval. */
export async function resync(
  deps: { keys: () => string[]; queue: WorkQueue; clock: Clock; everyMs: number; random?: () => number },
  signal: AbortSignal,
): Promise<void> {
  const { keys, queue, clock, everyMs, random = Math.random } = deps;
  while (!signal.aborted) {
    await clock.sleep(everyMs, signal);
    if (signal.aborted) return;
    for (const key of keys()) queue.addAfter(key, random() * (everyMs / 10));
  }
}
