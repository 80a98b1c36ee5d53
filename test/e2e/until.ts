// Waits for what a test expects of the world, by asking again until a deadline.
import { setTimeout as sleep } from 'node:timers/promises';

const pollMs = 100;

/** The first answer of `ask` that is neither undefined nor false. Throws an Error that names `what` when the time is up. */
export async function until<T>(
  what: string,
  ask: () => T | undefined | false | Promise<T | undefined | false>,
  timeoutMs = 60_000,
): Promise<T> {
  for (const deadline = performance.now() + timeoutMs; ; await sleep(pollMs)) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs / 1000} s: ${what}`);
  }
}
