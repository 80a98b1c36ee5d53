// Joins observe, plan and execute for one MicroVMSnapshot. Invariant: what takes long is told before it is done, and the
// finalizer goes last: with it goes the object, and nothing more can be said of it.
import { TvmError } from '@tvm/api/errors.ts';
import type { MicroVmSnapshot } from '@tvm/api/kinds/microvm-snapshot.ts';
import { backoffMs } from '@tvm/kit/backoff.ts';
import type { ReconcileResult } from '@tvm/kit/controller/controller.ts';
import { withConditions } from '@tvm/kit/kube/conditions.ts';
import type { EventRecorder } from '@tvm/kit/kube/event-recorder.ts';
import { type ExecuteDeps, executeAction, writeStatus } from './execute.ts';
import { type ObserveDeps, observeMicroVmSnapshot } from './observe.ts';
import { planMicroVmSnapshot } from './plan.ts';
import type { Action, Plan } from './world.ts';

const retryBackoff = { baseMs: 1_000, maxMs: 60_000 };

export interface MicroVmSnapshotDeps extends Omit<ObserveDeps, 'retryAtMs'>, ExecuteDeps {
  recorder: EventRecorder;
}

export function makeMicroVmSnapshotReconcile(deps: MicroVmSnapshotDeps): (key: string) => Promise<ReconcileResult> {
  // What was told of a failure wakes this reconcile at once: the backoff of the queue alone would not be one.
  const failures = new Map<string, { count: number; retryAtMs: number }>();
  const retryAtMs = (key: string) => failures.get(key)?.retryAtMs ?? 0;
  return async (key) => {
    const observed = await observeMicroVmSnapshot({ ...deps, retryAtMs }, key);
    const plan = planMicroVmSnapshot(observed);
    if (!observed.snapshot || observed.held.length > 0) failures.delete(key);
    if (!observed.snapshot) return {};
    try {
      await carryOut(deps, observed.snapshot, plan);
    } catch (error) {
      const count = (failures.get(key)?.count ?? 0) + 1;
      failures.set(key, { count, retryAtMs: deps.clock.now() + backoffMs(retryBackoff, count) });
      throw error;
    }
    return { requeueAfterMs: plan.requeueAfterMs };
  };
}

const beforeStatus = new Set<Action['type']>(['addFinalizer', 'assignHost']);

async function carryOut(deps: MicroVmSnapshotDeps, planned: MicroVmSnapshot, plan: Plan): Promise<void> {
  let snapshot = planned;
  for (const action of plan.actions.filter(({ type }) => beforeStatus.has(type))) {
    snapshot = await executeAction(deps, action, snapshot);
  }
  if (plan.status && plan.status !== planned.status) {
    const { hosts = plan.status.hosts } = snapshot.status ?? {};
    snapshot = await writeStatus(deps.client, snapshot, { ...plan.status, ...(hosts && { hosts }) });
  }
  for (const event of plan.events) deps.recorder.record(snapshot, event);
  for (const action of plan.actions.filter(({ type }) => !beforeStatus.has(type))) {
    await executeAction(deps, action, snapshot).catch((thrown) => refused(deps, action, snapshot, thrown));
  }
}

/** Tells what the node said, so that it is seen without reading logs, and throws it on. */
async function refused(
  deps: MicroVmSnapshotDeps,
  action: Action,
  snapshot: MicroVmSnapshot,
  thrown: unknown,
): Promise<never> {
  const error = TvmError.from(thrown, `${action.type} ${snapshot.metadata.name}`);
  if (action.type !== 'removeFinalizer') {
    const reason = error.reason ?? (action.type === 'takeSnapshot' ? 'SnapshotFailed' : 'DeletionFailed');
    const { message } = error;
    const intent = { type: 'Ready', status: 'False' as const, reason, message };
    const conditions = withConditions(snapshot.status?.conditions, [intent], deps.clock.now());
    const phase = action.type === 'takeSnapshot' ? { phase: 'Failed' as const } : {};
    deps.recorder.record(snapshot, { type: 'Warning', reason, message });
    await writeStatus(deps.client, snapshot, { ...snapshot.status, ...phase, conditions });
  }
  throw error;
}
