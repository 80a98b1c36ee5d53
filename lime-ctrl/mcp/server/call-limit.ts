// How many calls of a session run at once in this process. Invariant: a place that was taken is given back, however the call ends.
import { TvmError } from '@tvm/api/errors.ts';

const maxCalls = 32;

export interface CallLimit {
  /** Throws resource_exhausted when the session has as many calls under way as it may. */
  run<T>(sessionUid: string, call: () => Promise<T>): Promise<T>;
}

export function makeCallLimit(): CallLimit {
  const running = new Map<string, number>();
  const change = (uid: string, by: number) => {
    const count = (running.get(uid) ?? 0) + by;
    if (count === 0) running.delete(uid);
    else running.set(uid, count);
  };
  return {
    async run(uid, call) {
      if ((running.get(uid) ?? 0) >= maxCalls) {
        throw new TvmError('resource_exhausted', `${maxCalls} calls of this session are under way`, {
          reason: 'TooManyCalls',
          hint: 'Wait for one of them to end, or start long work with start_process.',
        });
      }
      change(uid, 1);
      try {
        return await call();
      } finally {
        change(uid, -1);
      }
    },
  };
}
