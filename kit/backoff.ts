// How long to wait after the nth failure in a row: doubling, bounded, with jitter so that many do not return at once.
export interface Backoff {
  baseMs: number;
  maxMs: number;
}

/** `failures` counts from 1. `random` gives [0, 1): the wait is between half and all of the doubled time. */
export function backoffMs({ baseMs, maxMs }: Backoff, failures: number, random: () => number = Math.random): number {
  const fullMs = Math.min(maxMs, baseMs * 2 ** Math.min(failures - 1, 30));
  return Math.round(fullMs * (0.5 + random() / 2));
}
