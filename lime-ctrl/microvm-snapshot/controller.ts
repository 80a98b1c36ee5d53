// Runs the reconcile of MicroVMSnapshots, woken by them, by their sources and by nodes that come and go.
import type { MicroVm } from '@tvm/api/kinds/microvm.ts';
import type { MicroVmSnapshot } from '@tvm/api/kinds/microvm-snapshot.ts';
import { indexByGroups } from '@tvm/kit/controller/group-index.ts';
import type { Reflector } from '@tvm/kit/controller/reflector.ts';
import { makeWorkQueue } from '@tvm/kit/controller/work-queue.ts';
import { type KubeClient, keyOf, microVmSnapshots } from '@tvm/kit/kube/client.ts';
import type { EventRecorder } from '@tvm/kit/kube/event-recorder.ts';
import type { Fleet } from '../flintlock/fleet.ts';
import { refuseInvalid } from '../refuse-invalid.ts';
import { type LoopDeps, runLoop } from '../run-loop.ts';
import { makeMicroVmSnapshotReconcile } from './reconcile.ts';

export interface MicroVmSnapshotsDeps extends LoopDeps {
  client: KubeClient;
  fleet: Fleet;
  microVms: Reflector<MicroVm>;
  snapshots: Reflector<MicroVmSnapshot>;
  recorder: EventRecorder;
}

/** Runs until the signal aborts. The reflectors are synced. */
export async function runMicroVmSnapshots(deps: MicroVmSnapshotsDeps, signal: AbortSignal): Promise<void> {
  const { fleet, microVms, snapshots, clock } = deps;
  const queue = makeWorkQueue(clock);
  using waiting = indexByGroups(snapshots, sourcesOf);
  const keys = () => snapshots.list().map(keyOf);
  const addAll = () => {
    for (const key of keys()) queue.add(key);
  };
  const unsubscribe = [
    snapshots.subscribe(({ key }) => queue.add(key)),
    microVms.subscribe(({ key }) => waiting.in(key).forEach(queue.add)),
    fleet.subscribe((event) => event.type === 'node' && addAll()),
  ];
  addAll();
  const reconcileSound = makeMicroVmSnapshotReconcile({ ...deps, snapshot: snapshots.get, microVm: microVms.get });
  const standing = () => ({ phase: 'Failed', readyToUse: false });
  const refusal = { ...deps, resource: microVmSnapshots, get: snapshots.get, standing };
  const reconcile = refuseInvalid(refusal, reconcileSound);
  await runLoop(deps, { name: 'microvmsnapshot', queue, reconcile, keys }, signal);
  for (const stop of unsubscribe) stop();
}

/** The MicroVM that it waits for. */
function sourcesOf({ metadata, spec, status }: MicroVmSnapshot): string[] {
  return status?.readyToUse ? [] : [`${metadata.namespace}/${spec?.source?.microVM}`];
}
