// How many executions run at once, and how many wait. Invariants: whoever got a place gives it back exactly once; a caller
// that leaves the queue takes no place; the burst of one namespace neither fills all places nor keeps another out of the queue.
import { TvmError } from '@tvm/api/errors.ts';
import { makeFairQueue } from './fair-queue.ts';

export interface Admission {
  /** Resolves with a place. Throws resource_exhausted (with seconds to wait) when the queue is full, canceled on abort. */
  enter(namespace: string, signal: AbortSignal): Promise<Disposable>;
  readonly running: number;
  readonly queued: number;
}

export interface AdmissionLimits {
  running: number;
  runningPerNamespace: number;
  queued: number;
}

interface Waiting {
  begin(): void;
  refuse(): void;
}

export function makeAdmission(limits: AdmissionLimits): Admission {
  const queue = makeFairQueue<Waiting>(limits.queued);
  const runningIn = new Map<string, number>();
  let running = 0;

  const mayRun = (namespace: string) => (runningIn.get(namespace) ?? 0) < limits.runningPerNamespace;

  function count(namespace: string, change: 1 | -1): void {
    running += change;
    const here = (runningIn.get(namespace) ?? 0) + change;
    if (here > 0) runningIn.set(namespace, here);
    else runningIn.delete(namespace);
  }

  function take(namespace: string): Disposable {
    let held = true;
    count(namespace, 1);
    return {
      [Symbol.dispose]() {
        if (!held) return;
        held = false;
        count(namespace, -1);
        queue.shift(mayRun)?.begin();
      },
    };
  }

  function wait(namespace: string, signal: AbortSignal): Promise<Disposable> {
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        queue.remove(namespace, waiting);
        reject(canceled());
      };
      const waiting: Waiting = {
        begin() {
          signal.removeEventListener('abort', onAbort);
          resolve(take(namespace));
        },
        refuse() {
          signal.removeEventListener('abort', onAbort);
          reject(full(limits, queue.length));
        },
      };
      signal.addEventListener('abort', onAbort, { once: true });
      queue.push(namespace, waiting)?.refuse();
    });
  }

  return {
    async enter(namespace, signal) {
      if (signal.aborted) throw canceled();
      return running < limits.running && mayRun(namespace) ? take(namespace) : wait(namespace, signal);
    },
    get running() {
      return running;
    },
    get queued() {
      return queue.length;
    },
  };
}

function full(limits: AdmissionLimits, queued: number): TvmError {
  return new TvmError('resource_exhausted', `${limits.running} executions run and ${queued} wait`, {
    reason: 'TooManyExecutions',
    hint: 'Try again after the time in Retry-After.',
    retryAfterSeconds: Math.max(1, Math.ceil(queued / Math.max(1, limits.running))),
  });
}

function canceled(): TvmError {
  return new TvmError('canceled', 'the caller went away');
}
