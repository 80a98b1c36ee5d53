// The spec of a machine that starts from a snapshot. Invariant: image, cpus and memory are those of the snapshot.
import { TvmError } from '@tvm/api/errors.ts';
import type { DiskSpec } from '../disks/disk.ts';
import { sized } from '../disks/plan.ts';
import { sealedOff } from '../network/policy.ts';
import type { SnapshotStore } from '../snapshots/snapshot-store.ts';
import type { MachineSpec } from './record.ts';

/** Fills in what the snapshot says. Throws `not_found` (no such snapshot), `invalid_argument` (the spec says otherwise). */
export async function completeSpec(spec: MachineSpec, snapshots: SnapshotStore): Promise<MachineSpec> {
  if (spec.snapshot === '') return spec;
  const manifest = await snapshots.find(spec.snapshot);
  if (!manifest) throw new TvmError('not_found', `snapshot ${spec.snapshot} is not on this node`);
  const whole = mergeSnapshot(spec, manifest.spec);
  checkSameDisks(spec.disks, manifest.spec.disks ?? [], spec.snapshot);
  if (spec.network && !manifest.spec.network) {
    const message = `snapshot ${spec.snapshot} is of a machine without a network interface`;
    throw new TvmError('invalid_argument', message, { hint: 'Leave network out, or start without a snapshot.' });
  }
  const { image, cpus, memoryMiB } = manifest.spec;
  if (whole.image === image && whole.cpus === cpus && whole.memoryMiB === memoryMiB) return whole;
  const has = `${image} with ${cpus} cpus and ${memoryMiB} MiB`;
  const message = `snapshot ${spec.snapshot} is of ${has}; the machine asks for others`;
  throw new TvmError('invalid_argument', message, { hint: 'Leave image, cpus and memory empty.' });
}

/** What a machine that starts from a snapshot leaves unsaid is as in `from`. */
export function mergeSnapshot(spec: MachineSpec, from: MachineSpec): MachineSpec {
  if (spec.snapshot === '') return spec;
  return {
    ...spec,
    image: spec.image || from.image,
    cpus: spec.cpus || from.cpus,
    memoryMiB: spec.memoryMiB || from.memoryMiB,
    // The interface is there; what it reaches is never handed on.
    ...(from.network && { network: spec.network ?? sealedOff }),
    ...(from.disks && { disks: spec.disks ? sized(spec.disks, from.disks) : from.disks.map(ownDisk) }),
  };
}

/** The machine of the snapshot may have one that is retained: this one has a copy, for itself. */
function ownDisk(disk: DiskSpec): DiskSpec {
  return { ...disk, retainedAs: '' };
}

/** What is in memory speaks of disks in their order and where they are mounted. */
function checkSameDisks(disks: DiskSpec[] | undefined, ofSnapshot: DiskSpec[], snapshot: string): void {
  if (!disks) return;
  const isSame = disks.length === ofSnapshot.length && disks.every((disk, index) => fits(disk, ofSnapshot[index]));
  if (isSame) return;
  const has = ofSnapshot.map(({ name, mountPath, sizeMiB }) => `${name} at ${mountPath} with ${sizeMiB} MiB`);
  const message = `snapshot ${snapshot} has ${has.join(', ') || 'no disks'}; the machine asks for others`;
  throw new TvmError('invalid_argument', message, { hint: 'Ask for the same disks, or for none: then it has copies.' });
}

/** A larger one grows when the machine starts the next time. */
function fits(disk: DiskSpec, other: DiskSpec | undefined): boolean {
  return disk.name === other?.name && disk.mountPath === other.mountPath && disk.sizeMiB >= other.sizeMiB;
}
