// How quickly machines of each kind are asked for: the busiest second lately, forgotten by halves.
// Invariant: what is kept of a kind does not grow with how often it is asked for.

const windowMs = 1_000;
const halfLifeMs = 60_000;
const maxCounted = 1_000;

export interface Demand {
  /** One more was asked for. */
  note(key: string, nowMs: number): void;
  /** How many a second to be ready for. */
  perSecond(key: string, nowMs: number): number;
  /** When it was last asked for; 0: never. */
  askedAtMs(key: string): number;
  forget(key: string): void;
  keys(): Iterable<string>;
}

interface Counted {
  recentMs: number[];
  peak: number;
  peakAtMs: number;
}

export function makeDemand(): Demand {
  const counted = new Map<string, Counted>();

  function perSecond(key: string, nowMs: number): number {
    const { peak = 0, peakAtMs = 0 } = counted.get(key) ?? {};
    return peak * 0.5 ** ((nowMs - peakAtMs) / halfLifeMs);
  }

  return {
    perSecond,
    note(key, nowMs) {
      const before = counted.get(key)?.recentMs ?? [];
      const recentMs = [...before.filter((each) => nowMs - each < windowMs), nowMs].slice(-maxCounted);
      const rate = perSecond(key, nowMs);
      const known = counted.get(key);
      if (!known || recentMs.length >= rate) counted.set(key, { recentMs, peak: recentMs.length, peakAtMs: nowMs });
      else known.recentMs = recentMs;
    },
    askedAtMs: (key) => counted.get(key)?.recentMs.at(-1) ?? 0,
    forget: (key) => counted.delete(key),
    keys: () => counted.keys(),
  };
}
