// How fast messages of a server are taken. Invariant: over any time, no more than the burst and what the rate adds to it; who
// sends faster is read slower, until its pipe is full and it waits.
import type { Clock } from '@tvm/kit/clock.ts';

export interface Rate {
  burst: number;
  perSecond: number;
}

export interface Pace {
  /** Resolves when this much may pass. */
  pass(amount: number): Promise<void>;
}

export function makePace(clock: Clock, { burst, perSecond }: Rate, signal: AbortSignal): Pace {
  let left = burst;
  let seenMs = clock.now();
  return {
    async pass(amount) {
      const now = clock.now();
      left = Math.min(burst, left + ((now - seenMs) / 1000) * perSecond) - amount;
      seenMs = now;
      if (left < 0) await clock.sleep((-left / perSecond) * 1000, signal);
    },
  };
}
