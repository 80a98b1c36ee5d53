// What a node's disks may have together. Invariant: what is on disk counts, so that a flintlock that was killed counts the
// same; what is being written counts from before its first byte.
import type { SnapshotStore } from '../snapshots/snapshot-store.ts';
import type { DiskStore } from './disk-store.ts';
import { checkCopyRoom, checkDiskRoom, type DiskOwner, type DisksThere } from './plan.ts';

export interface DiskRoomDeps {
  disks: Pick<DiskStore, 'records' | 'allocatedBytes'>;
  snapshots: Pick<SnapshotStore, 'diskBytes'>;
  /** Everything that has disks, or is to have some. */
  owners: () => Iterable<DiskOwner>;
  limitMiB: number;
}

/** Room for copies that are not on disk yet, until it is disposed. */
export interface CopyRoom extends Disposable {
  /** Once nobody writes to the disks any more: throws as `keep` when they have become too large meanwhile. */
  fit(): void;
}

export interface DiskRoom {
  /** Throws `resource_exhausted` when the owner's disks do not fit. */
  check(owner: DiskOwner): void;
  /** For copies of the owner's disks in a snapshot. Throws `resource_exhausted` when there is none. */
  keep(snapshot: string, owner: DiskOwner): CopyRoom;
}

const mib = 1024 * 1024;

export function makeDiskRoom({ disks, snapshots, owners, limitMiB }: DiskRoomDeps): DiskRoom {
  const kept = new Map<string, number>();

  function there(without = ''): DisksThere {
    const copies = snapshots.diskBytes();
    for (const [name, bytes] of kept) copies.set(name, Math.max(bytes, copies.get(name) ?? 0));
    copies.delete(without);
    const copiesMiB = inMiB([...copies.values()].reduce((sum, bytes) => sum + bytes, 0));
    return { owners: owners(), records: disks.records(), copiesMiB };
  }

  return {
    check: (owner) => checkDiskRoom(owner, there(), limitMiB),
    keep(snapshot, owner) {
      const fit = () => {
        const bytes = disks.allocatedBytes(owner);
        checkCopyRoom(inMiB(bytes), there(snapshot), limitMiB);
        kept.set(snapshot, bytes);
      };
      fit();
      return { fit, [Symbol.dispose]: () => kept.delete(snapshot) };
    },
  };
}

function inMiB(bytes: number): number {
  return Math.ceil(bytes / mib);
}
