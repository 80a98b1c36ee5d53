// What a node takes in of disks, and what becomes of them: pure functions. Invariants: no disk has two machines; the sizes of
// all disks, with their
// copies in snapshots, never exceed what they may use.
import { TvmError } from '@tvm/api/errors.ts';
import {
  diskNamePattern,
  maxDiskMB,
  maxDisks,
  mountPathPattern,
  reservedMountPath,
} from '@tvm/api/kinds/persistent-storage.ts';
import { type DiskRecord, type DiskSpec, keyOf } from './disk.ts';

export interface DiskOwner {
  uid: string;
  /** Absent: none. */
  spec: { disks?: DiskSpec[] | undefined };
}

export function disksOf({ spec }: Pick<DiskOwner, 'spec'>): DiskSpec[] {
  return spec.disks ?? [];
}

const maxKeyLength = 512;
const maxPathLength = 255;

/** Throws `invalid_argument` for what can never be the disks of one machine. */
export function checkDisks(disks: readonly DiskSpec[]): void {
  if (disks.length > maxDisks) throw invalid(`${disks.length} disks are more than the ${maxDisks} of a machine`);
  for (const disk of disks) checkDisk(disk);
  for (const [index, a] of disks.entries()) {
    for (const b of disks.slice(index + 1)) checkPair(a, b);
  }
}

function checkDisk({ name, sizeMiB, mountPath, retainedAs }: DiskSpec): void {
  if (!diskNamePattern.test(name)) throw invalid(`${JSON.stringify(name.slice(0, 64))} is no name of a disk`);
  if (sizeMiB < 1 || sizeMiB > maxDiskMB) throw invalid(`disk ${name} cannot have ${sizeMiB} MiB`);
  const isPath = mountPath.length <= maxPathLength && mountPathPattern.test(mountPath);
  if (!isPath || reservedMountPath.test(mountPath)) {
    throw invalid(`disk ${name} cannot be mounted at ${JSON.stringify(mountPath.slice(0, maxPathLength))}`);
  }
  if (retainedAs.length > maxKeyLength) throw invalid(`the key of disk ${name} is too long`);
}

function checkPair(a: DiskSpec, b: DiskSpec): void {
  if (a.name === b.name) throw invalid(`two disks are called ${a.name}`);
  if (a.retainedAs !== '' && a.retainedAs === b.retainedAs) throw invalid(`${a.name} and ${b.name} are one disk`);
  const [outer, inner] = a.mountPath.length <= b.mountPath.length ? [a, b] : [b, a];
  if (`${inner.mountPath}/`.startsWith(`${outer.mountPath}/`)) {
    throw invalid(`disk ${inner.name} would be mounted at or within the mount path of ${outer.name}`);
  }
}

/** Throws `failed_precondition` when a machine of `others` has one of the disks. */
export function checkUnattached(owner: DiskOwner, others: Iterable<DiskOwner>): void {
  const wanted = new Map(disksOf(owner).map((disk) => [keyOf(owner.uid, disk), disk.name]));
  for (const other of others) {
    if (other.uid === owner.uid) continue;
    for (const disk of disksOf(other)) {
      const name = wanted.get(keyOf(other.uid, disk));
      if (name === undefined) continue;
      throw new TvmError('failed_precondition', `disk ${name} (${disk.retainedAs}) belongs to machine ${other.uid}`, {
        object: `machine/${owner.uid}`,
        reason: 'DiskInUse',
        hint: 'A disk is attached to one machine at a time: delete that machine first.',
      });
    }
  }
}

/** What disks have of a node. */
export interface DisksThere {
  /** That are to have some. */
  owners: Iterable<DiskOwner>;
  /** On disk. */
  records: readonly DiskRecord[];
  /** Of copies in snapshots. */
  copiesMiB: number;
}

/** Throws `resource_exhausted` when the owner's disks do not fit beside what is there. */
export function checkDiskRoom(owner: DiskOwner, { owners, records, copiesMiB }: DisksThere, limitMiB: number): void {
  const has = new Map(records.map(({ key, sizeMiB }) => [key, sizeMiB]));
  const wanted = disksOf(owner).map((disk) => Math.max(disk.sizeMiB, has.get(keyOf(owner.uid, disk)) ?? 0));
  const wantedMiB = wanted.reduce((sum, sizeMiB) => sum + sizeMiB, 0);
  if (wantedMiB === 0) return;
  if (wantedMiB > limitMiB) {
    throw exhausted(`${wantedMiB} MiB of disks are more than the ${limitMiB} MiB that disks may use on this node`);
  }
  const own = new Set(disksOf(owner).map((disk) => keyOf(owner.uid, disk)));
  const freeMiB = limitMiB - copiesMiB - promisedDiskMiB(owners, records, own);
  if (wantedMiB <= freeMiB) return;
  throw exhausted(`${wantedMiB} MiB of disks are asked for, ${Math.max(0, freeMiB)} MiB are free on this node`);
}

/** Throws `resource_exhausted` when copies that take up `wantedMiB` do not fit beside what is there. */
export function checkCopyRoom(wantedMiB: number, { owners, records, copiesMiB }: DisksThere, limitMiB: number): void {
  const freeMiB = limitMiB - copiesMiB - promisedDiskMiB(owners, records, new Set());
  if (wantedMiB === 0 || wantedMiB <= freeMiB) return;
  const free = `${Math.max(0, freeMiB)} MiB are free on this node`;
  throw exhausted(`a snapshot needs ${wantedMiB} MiB for copies of disks, ${free}`);
}

/** Of all disks but those in `without`, at the larger of what they have and what they are to have. */
function promisedDiskMiB(owners: Iterable<DiskOwner>, records: readonly DiskRecord[], without: Set<string>): number {
  const sizes = new Map(records.map(({ key, sizeMiB }) => [key, sizeMiB]));
  for (const owner of owners) {
    for (const disk of disksOf(owner)) {
      const key = keyOf(owner.uid, disk);
      sizes.set(key, Math.max(disk.sizeMiB, sizes.get(key) ?? 0));
    }
  }
  let sum = 0;
  for (const [key, sizeMiB] of sizes) if (!without.has(key)) sum += sizeMiB;
  return sum;
}

export type DiskStep =
  /** An empty file system. */
  | { do: 'make'; sizeMiB: number }
  /** A copy of the disk of a snapshot. */
  | { do: 'copy'; sizeMiB: number }
  | { do: 'grow'; sizeMiB: number }
  | { do: 'take' };

/**
 * What makes the disk ready to be attached. `fromSnapshot`: the machine continues a snapshot. Throws `failed_precondition`
 * when it has something in it already that the memory of the snapshot knows nothing of.
 */
export function planDisk(disk: DiskSpec, record: DiskRecord | undefined, fromSnapshot: boolean): DiskStep {
  if (fromSnapshot) {
    if (!record?.used) return { do: 'copy', sizeMiB: disk.sizeMiB };
    throw new TvmError('failed_precondition', `disk ${disk.name} is there already, the snapshot has another`, {
      reason: 'DiskInUse',
      hint: 'A machine that continues a snapshot needs disks of its own: delete the retained disk, or choose another name.',
    });
  }
  if (!record) return { do: 'make', sizeMiB: disk.sizeMiB };
  return disk.sizeMiB > record.sizeMiB ? { do: 'grow', sizeMiB: disk.sizeMiB } : { do: 'take' };
}

/** The disks with the sizes of `declared` where those are larger. */
export function grown(disks: DiskSpec[], declared: readonly Pick<DiskSpec, 'name' | 'sizeMiB'>[]): DiskSpec[] {
  return disks.map((disk) => {
    const sizeMiB = declared.find(({ name }) => name === disk.name)?.sizeMiB ?? 0;
    return sizeMiB > disk.sizeMiB ? { ...disk, sizeMiB } : disk;
  });
}

/** The disks with the sizes that disks of the same names have in `like`. */
export function sized(disks: readonly DiskSpec[], like: readonly DiskSpec[]): DiskSpec[] {
  return disks.map((disk) => ({
    ...disk,
    sizeMiB: like.find(({ name }) => name === disk.name)?.sizeMiB ?? disk.sizeMiB,
  }));
}

/** Whether the disk goes when its machine does. One that nothing ever used is nobody's loss. */
export function isRemovedWithMachine({ retained, used }: DiskRecord): boolean {
  return !retained || !used;
}

function invalid(message: string): TvmError {
  return new TvmError('invalid_argument', message, { reason: 'InvalidSpec' });
}

function exhausted(message: string): TvmError {
  const hint = 'Ask for less, delete disks ("vvm disk list") or snapshots, or raise TVM_DISK_MIB.';
  return new TvmError('resource_exhausted', message, { reason: 'NoDiskRoom', hint });
}
