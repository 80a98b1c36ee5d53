// What waits for room in the whole of the fleet: declared machines, and what the engine of this replica lacks.
import { type MicroVm, machineFinalizer } from '@tvm/api/kinds/microvm.ts';
import { conditionOf } from '@tvm/kit/kube/conditions.ts';
import type { Pool } from '../engine/pool.ts';
import type { Demand } from '../placement/place.ts';

export interface PendingDeps {
  microVms: { list(): MicroVm[] };
  pool: Pick<Pool, 'wanting'>;
}

export function pendingDemand({ microVms, pool }: PendingDeps): Demand[] {
  const declared = microVms.list().filter(waitsForRoom);
  return [
    ...declared.map(({ spec }) => ({ image: spec.image, cpu: spec.cpu, memory: spec.memory })),
    ...pool.wanting(),
  ];
}

/** One that starts from a snapshot waits for its very node. */
function waitsForRoom({ metadata, spec, status }: MicroVm): boolean {
  if (metadata.deletionTimestamp || spec.snapshot !== undefined || spec.desiredState === 'Stopped') return false;
  const scheduled = conditionOf(status?.conditions, 'Scheduled');
  const lacks = scheduled?.reason === 'NoRoom' || scheduled?.reason === 'NoNode';
  return lacks && scheduled.status === 'False' && metadata.finalizers?.includes(machineFinalizer) === true;
}
