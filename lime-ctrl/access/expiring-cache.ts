// Answers that are good for a while. Invariants: at most `maxEntries` are kept, the ones unused for longest go first; an
// answer is given for no longer than it said; a question that is being asked is not asked twice; failures are not kept.
import type { Clock } from '@tvm/kit/clock.ts';

export interface Answer<T> {
  value: T;
  /** 0: not kept. */
  goodForMs: number;
}

export interface ExpiringCache<T> {
  /** What is known, or else what `ask` answers. Throws what `ask` throws. */
  get(key: string, ask: () => Promise<Answer<T>>): Promise<T>;
  readonly size: number;
}

export function makeExpiringCache<T>(maxEntries: number, clock: Clock): ExpiringCache<T> {
  const known = new Map<string, { value: T; untilMs: number }>();
  const asked = new Map<string, Promise<T>>();

  async function askOnce(key: string, ask: () => Promise<Answer<T>>): Promise<T> {
    try {
      const { value, goodForMs } = await ask();
      if (goodForMs > 0) known.set(key, { value, untilMs: clock.now() + goodForMs });
      const [oldest] = known.keys();
      if (known.size > maxEntries && oldest !== undefined) known.delete(oldest);
      return value;
    } finally {
      asked.delete(key);
    }
  }

  return {
    async get(key, ask) {
      const found = known.get(key);
      known.delete(key);
      if (found && clock.now() < found.untilMs) {
        known.set(key, found);
        return found.value;
      }
      const asking = asked.get(key) ?? askOnce(key, ask);
      asked.set(key, asking);
      return asking;
    },
    get size() {
      return known.size;
    },
  };
}
