// The loop that turns keys into reconciles. Invariants: a key is reconciled by one worker at a time; an error means backoff;
// a terminal error (the object itself is wrong) waits for the object to change.
import { TvmError } from '@tvm/api/errors.ts';
import type { Clock } from '../clock.ts';
import type { Logger } from '../log.ts';
import type { WorkQueue } from './work-queue.ts';

export interface ReconcileResult {
  requeueAfterMs?: number | undefined;
}

/** Makes the world match what the object named by the key declares. Called again until it does. */
export type Reconcile = (key: string) => Promise<ReconcileResult>;

export type ReconcileOutcome = 'success' | 'requeue' | 'conflict' | 'error' | 'terminal';

export interface ControllerDeps {
  name: string;
  queue: WorkQueue;
  reconcile: Reconcile;
  concurrency: number;
  clock: Clock;
  log: Logger;
  onReconciled?: (controller: string, outcome: ReconcileOutcome, durationMs: number) => void;
}

const terminalCodes = new Set(['invalid_argument', 'unimplemented']);

/** Runs until the signal aborts and the reconciles under way have ended. */
export async function runController(deps: ControllerDeps, signal: AbortSignal): Promise<void> {
  await Promise.all(Array.from({ length: deps.concurrency }, () => work(deps, signal)));
}

async function work(deps: ControllerDeps, signal: AbortSignal): Promise<void> {
  for (;;) {
    const key = await deps.queue.next(signal);
    if (key === undefined) return;
    const beganMs = deps.clock.now();
    const outcome = await attempt(deps, key);
    deps.queue.done(key);
    deps.onReconciled?.(deps.name, outcome, deps.clock.now() - beganMs);
  }
}

async function attempt({ name, queue, reconcile, log }: ControllerDeps, key: string): Promise<ReconcileOutcome> {
  try {
    const { requeueAfterMs } = await reconcile(key);
    queue.forget(key);
    if (requeueAfterMs === undefined) return 'success';
    queue.addAfter(key, requeueAfterMs);
    return 'requeue';
  } catch (thrown) {
    const error = TvmError.from(thrown, `${name} ${key}`);
    if (terminalCodes.has(error.code)) {
      queue.forget(key);
      log.warn({ err: error, key, controller: name }, 'reconcile ended for good');
      return 'terminal';
    }
    queue.addFailed(key);
    if (error.code === 'aborted') return 'conflict';
    log.warn({ ...describe(error), key, controller: name }, 'reconcile failed');
    return 'error';
  }
}

/** The stack only of what nobody expected. */
function describe(error: TvmError): object {
  return error.code === 'internal' ? { err: error } : { why: error.message, code: error.code };
}
