// How much one session may ask at once and by the second. Invariant: what is remembered is bounded by the sessions that call.
import { TvmError } from '@tvm/api/errors.ts';
import type { Clock } from '@tvm/kit/clock.ts';

const perSecond = 100;
const burst = 300;
/** Streams that stay open count too. */
const atOnce = 128;
const lookedAtAtOnce = 16;
const forgetAfterMs = 60_000;

export interface SessionLimits {
  /** A request begins. Throws resource_exhausted. */
  begin(uid: string): Use;
  /** For one that `begin` refused, until it is known what it is; undefined: too many are looked at already. */
  look(uid: string): Use | undefined;
  readonly size: number;
}

/** A request of a session; `end` is to be called once. */
export interface Use {
  end: () => void;
}

interface Account {
  left: number;
  atMs: number;
  open: number;
  lookedAt: number;
}

export function makeSessionLimits(clock: Clock): SessionLimits {
  const accounts = new Map<string, Account>();

  function sweep(): void {
    for (const [uid, { open, lookedAt, atMs }] of accounts) {
      if (open + lookedAt === 0 && clock.now() - atMs > forgetAfterMs) accounts.delete(uid);
    }
  }

  function useOf(account: Account, what: 'open' | 'lookedAt'): Use {
    account[what] += 1;
    let ended = false;
    return {
      end() {
        if (!ended) account[what] -= 1;
        ended = true;
      },
    };
  }

  return {
    begin(uid) {
      const nowMs = clock.now();
      if (!accounts.has(uid)) sweep();
      const account = accounts.get(uid) ?? { left: burst, atMs: nowMs, open: 0, lookedAt: 0 };
      accounts.set(uid, account);
      account.left = Math.min(burst, account.left + ((nowMs - account.atMs) / 1000) * perSecond);
      account.atMs = nowMs;
      if (account.left < 1 || account.open >= atOnce) throw tooMany(account.left < 1);
      account.left -= 1;
      return useOf(account, 'open');
    },
    look(uid) {
      const account = accounts.get(uid);
      return account && account.lookedAt < lookedAtAtOnce ? useOf(account, 'lookedAt') : undefined;
    },
    get size() {
      return accounts.size;
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
