// Keeps the status of a MicroVMPool true to what waits for it, on all replicas together. Invariant: a status is written only
// when it changed, and at most once a second.
import type { ReconcileResult } from '@tvm/kit/controller/controller.ts';
import { type KubeClient, microVmPools } from '@tvm/kit/kube/client.ts';
import type { EventRecorder } from '@tvm/kit/kube/event-recorder.ts';
import { type ObserveDeps, observeMicroVmPool } from './observe.ts';
import { planMicroVmPool } from './plan.ts';

const writeEveryMs = 1_000;

export interface MicroVmPoolDeps extends ObserveDeps {
  client: KubeClient;
  recorder: EventRecorder;
}

export function makeMicroVmPoolReconcile(deps: MicroVmPoolDeps): (key: string) => Promise<ReconcileResult> {
  const { client, recorder } = deps;
  const writtenAtMs = new Map<string, number>();
  return async (key) => {
    const observed = observeMicroVmPool(deps, key);
    if (!observed) {
      writtenAtMs.delete(key);
      return {};
    }
    const plan = planMicroVmPool(observed);
    if (plan.status === observed.pool.status) return { requeueAfterMs: plan.requeueAfterMs };
    const waitMs = (writtenAtMs.get(key) ?? 0) + writeEveryMs - observed.nowMs;
    if (waitMs > 0) return { requeueAfterMs: waitMs };
    writtenAtMs.set(key, observed.nowMs);
    await client.updateStatus(microVmPools, { ...observed.pool, status: plan.status });
    for (const event of plan.events) recorder.record(observed.pool, event);
    return { requeueAfterMs: plan.requeueAfterMs };
  };
}
