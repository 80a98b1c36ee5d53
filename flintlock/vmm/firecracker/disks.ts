// Disks of a VM as Firecracker has them: drives that are named by their place in the order, after the root.
// Invariant: no two disks of a VM look the same to its guest, or the VM is not started.
import { statSync } from 'node:fs';
import { TvmError } from '@tvm/api/errors.ts';
import { maxDisks } from '@tvm/api/kinds/persistent-storage.ts';
import type { Vm, VmDisk, VmSpec } from '../driver.ts';

/** By its name in the API: letters and digits alone. */
export function driveOf(index: number): string {
  return `disk${index}`;
}

/** What Firecracker calls its file. */
export function diskFile(index: number): string {
  return `${driveOf(index)}.img`;
}

/** Of all disks that a VM may have. */
export const diskFiles = Object.fromEntries(
  Array.from({ length: maxDisks }, (_, index) => [driveOf(index), diskFile(index)]),
);

/** The files of a VM's disks by the name that Firecracker knows. */
export function diskInputs({ disks = [] }: Pick<VmSpec, 'disks'>): Record<string, string> {
  return Object.fromEntries(disks.map(({ path }, index) => [diskFile(index), path]));
}

/** All that a device of virtio says of itself. */
const serialLength = 20;

/** Firecracker names a disk after where its file is, not after its drive; what is too long loses its end. */
export function serialOf({ path }: Pick<VmDisk, 'path'>): string {
  const { dev, rdev, ino } = statSync(path, { bigint: true });
  return `${dev}${rdev}${ino}`.slice(0, serialLength);
}

/** Throws `failed_precondition` when the guest could take one disk for another. */
export function checkTold({ id }: Vm, { disks = [], rootDiskPath }: Pick<VmSpec, 'disks' | 'rootDiskPath'>): void {
  if (disks.length === 0) return;
  const serials = [{ path: rootDiskPath }, ...disks].map(serialOf);
  if (new Set(serials).size === serials.length) return;
  const message = `Firecracker cannot tell the disks of ${id} apart: the numbers of their files are too long`;
  const hint = 'Put TVM_HOME on ext4 or XFS, or set TVM_DRIVER=qemu.';
  throw new TvmError('failed_precondition', message, { object: `vm/${id}`, reason: 'DisksAlike', hint });
}

/** Such a fact with one disk grown, and which in the order that is. Throws `not_found`. */
export function grownFact(fact: string, { name, sizeMiB }: Pick<VmDisk, 'name' | 'sizeMiB'>) {
  const disks = fact
    .split(',')
    .map((entry) => ({ name: entry.split(' ')[0] ?? '', sizeMiB: Number(entry.split(' ')[1]) }));
  const index = disks.findIndex((disk) => disk.name === name);
  if (index === -1) throw new TvmError('not_found', `there is no disk ${name}`);
  const now = disks.with(index, { name, sizeMiB });
  return { index, fact: namesAndSizes(now) };
}

/** What is the same for a snapshot and what goes on from it: names and sizes in their order. */
export function disksFact({ disks = [] }: Pick<VmSpec, 'disks'>): string {
  return namesAndSizes(disks);
}

function namesAndSizes(disks: readonly Pick<VmDisk, 'name' | 'sizeMiB'>[]): string {
  return disks.map(({ name, sizeMiB }) => `${name} ${sizeMiB}`).join();
}
