// How much one session may ask at once and by the second. Invariant: what is remembered is bounded by the sessions that call.
import { TvmError } from '@tvm/api/errors.ts';
import type { Clock } from '@tvm/kit/clock.ts';

const perSecond = 100;
const burst = 300;
/** Streams that stay open count too. */
const atOnce = 128;
const forgetAfterMs = 60_000;

export interface SessionLimits {
  /** A request begins; `end` is to be called once. Throws resource_exhausted. */
  begin(uid: string): { end: () => void };
  readonly size: number;
}

interface Use {
  left: number;
  atMs: number;
  open: number;
}

export function makeSessionLimits(clock: Clock): SessionLimits {
  const uses = new Map<string, Use>();

  function sweep(): void {
    for (const [uid, { open, atMs }] of uses) {
      if (open === 0 && clock.now() - atMs > forgetAfterMs) uses.delete(uid);
    }
  }

  return {
    begin(uid) {
      const nowMs = clock.now();
      if (!uses.has(uid)) sweep();
      const use = uses.get(uid) ?? { left: burst, atMs: nowMs, open: 0 };
      const left = Math.min(burst, use.left + ((nowMs - use.atMs) / 1000) * perSecond);
      const allowed = left >= 1 && use.open < atOnce;
      const next = { left: allowed ? left - 1 : left, atMs: nowMs, open: use.open + (allowed ? 1 : 0) };
      uses.set(uid, Object.assign(use, next));
      if (!allowed) throw tooMany(left < 1);
      let ended = false;
      return {
        end() {
          if (!ended) use.open -= 1;
          ended = true;
        },
      };
    },
    get size() {
      return uses.size;
    },
  };
}

function tooMany(byRate: boolean): TvmError {
  const what = byRate ? `more than ${perSecond} requests a second` : `more than ${atOnce} requests at once`;
  return new TvmError('resource_exhausted', `${what} in one session`, {
    reason: 'TooManyRequests',
    retryAfterSeconds: 1,
  });
}
