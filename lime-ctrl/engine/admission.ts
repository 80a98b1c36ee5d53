// How many executions run at once, and how many wait. Invariant: whoever got a place gives it back exactly once, and a
// caller that leaves the queue takes no place.
import { TvmError } from '@tvm/api/errors.ts';

export interface Admission {
  /** Resolves with a place. Throws resource_exhausted (with seconds to wait) when the queue is full, canceled on abort. */
  enter(signal: AbortSignal): Promise<Disposable>;
  readonly running: number;
  readonly queued: number;
}

export function makeAdmission(limits: { running: number; queued: number }): Admission {
  const queue: (() => void)[] = [];
  let running = 0;

  function take(): Disposable {
    let held = true;
    return {
      [Symbol.dispose]() {
        if (!held) return;
        held = false;
        running -= 1;
        const next = queue.shift();
        if (next) {
          running += 1;
          next();
        }
      },
    };
  }

  return {
    async enter(signal) {
      if (signal.aborted) throw canceled();
      if (running < limits.running) {
        running += 1;
        return take();
      }
      if (queue.length >= limits.queued) throw full(limits, queue.length);
      await new Promise<void>((resolve, reject) => {
        const onAbort = () => {
          const index = queue.indexOf(onTurn);
          if (index >= 0) queue.splice(index, 1);
          reject(canceled());
        };
        const onTurn = () => {
          signal.removeEventListener('abort', onAbort);
          resolve();
        };
        queue.push(onTurn);
        signal.addEventListener('abort', onAbort, { once: true });
      });
      return take();
    },
    get running() {
      return running;
    },
    get queued() {
      return queue.length;
    },
  };
}

function full(limits: { running: number }, queued: number): TvmError {
  return new TvmError('resource_exhausted', `${limits.running} executions run and ${queued} wait`, {
    reason: 'TooManyExecutions',
    hint: 'Try again after the time in Retry-After.',
    retryAfterSeconds: Math.max(1, Math.ceil(queued / Math.max(1, limits.running))),
  });
}

function canceled(): TvmError {
  return new TvmError('canceled', 'the caller went away');
}
