// Waits for what a test expects, by asking again until a deadline.
import { setTimeout as sleep } from 'node:timers/promises';

/** The first answer of `ask` that is neither undefined nor false; a failure counts as no answer. Throws when the time is up. */
export async function until<T>(
  what: string,
  ask: () => T | undefined | false | Promise<T | undefined | false>,
  timeoutMs = 30_000,
): Promise<T> {
  let last: unknown;
  for (const deadline = performance.now() + timeoutMs; performance.now() < deadline; await sleep(25)) {
    try {
      const answer = await ask();
      if (answer !== undefined && answer !== false) return answer;
      last = answer;
    } catch (error) {
      last = error;
    }
  }
  throw new Error(`not within ${timeoutMs / 1000} s: ${what}`, { cause: last });
}
