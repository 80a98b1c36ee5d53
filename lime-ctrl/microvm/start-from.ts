// What a MicroVM starts from when it names a MicroVMSnapshot: which nodes, which files, or why it cannot. Pure.
import type { MicroVmSpec } from '@tvm/api/kinds/microvm.ts';
import type { MicroVmSnapshot } from '@tvm/api/kinds/microvm-snapshot.ts';
import { conditionOf } from '@tvm/kit/kube/conditions.ts';
import { nameOnNode } from '../microvm-snapshot/world.ts';

export type StartFrom =
  /** It boots, or the node has a template. */
  | { type: 'image' }
  | { type: 'snapshot'; nameOnNode: string; hosts: string[] }
  | { type: 'blocked'; reason: string; message: string };

/** `snapshot`: the one that the spec names, if there is such a one. */
export function startFrom(spec: MicroVmSpec, snapshot: MicroVmSnapshot | undefined): StartFrom {
  if (spec.snapshot === undefined) return { type: 'image' };
  const blocked = (reason: string, message: string): StartFrom => ({ type: 'blocked', reason, message });
  if (!snapshot || snapshot.metadata.deletionTimestamp) {
    return blocked('SnapshotNotFound', `there is no MicroVMSnapshot ${spec.snapshot} in this namespace`);
  }
  const { readyToUse, hosts = [], conditions, image, cpu, memory } = snapshot.status ?? {};
  if (!readyToUse) {
    const why = conditionOf(conditions, 'Ready')?.message ?? 'it is new';
    return blocked('SnapshotNotReady', `MicroVMSnapshot ${spec.snapshot} is not ready: ${why}`);
  }
  if (image !== spec.image || cpu !== spec.cpu || memory !== spec.memory) {
    const has = `${image} with ${cpu} CPUs and ${memory} MB`;
    const asked = `${spec.image} with ${spec.cpu} CPUs and ${spec.memory} MB`;
    return blocked('SnapshotMismatch', `MicroVMSnapshot ${spec.snapshot} is of ${has}, ${asked} are asked for`);
  }
  return { type: 'snapshot', nameOnNode: nameOnNode(snapshot), hosts };
}
