// One controller's loop: its queue worked off, and every key looked at again from time to time.
import type { Clock } from '@tvm/kit/clock.ts';
import { type ControllerDeps, runController } from '@tvm/kit/controller/controller.ts';
import { resync } from '@tvm/kit/controller/resync.ts';
import type { WorkQueue } from '@tvm/kit/controller/work-queue.ts';
import type { Logger } from '@tvm/kit/log.ts';

const resyncMs = 300_000;
const concurrency = 8;

export interface LoopDeps {
  clock: Clock;
  log: Logger;
  onReconciled?: NonNullable<ControllerDeps['onReconciled']>;
  onQueue?: (name: string, queue: WorkQueue) => void;
}

export interface Controller extends Pick<ControllerDeps, 'name' | 'queue' | 'reconcile'> {
  keys: () => string[];
}

/** Runs until the signal aborts. */
export async function runLoop(deps: LoopDeps, controller: Controller, signal: AbortSignal): Promise<void> {
  const { clock, log, onReconciled } = deps;
  deps.onQueue?.(controller.name, controller.queue);
  await Promise.all([
    runController({ ...controller, concurrency, clock, log, ...(onReconciled && { onReconciled }) }, signal),
    resync({ keys: controller.keys, queue: controller.queue, clock, everyMs: resyncMs }, signal),
  ]);
}
