// Writes a machine's memory, devices and disks into a snapshot's folder. Invariant: all are of one moment: nothing runs while
// they are written.
import type { DiskStore } from '../disks/disk-store.ts';
import type { CopyRoom } from '../disks/room.ts';
import type { Driver } from '../vmm/driver.ts';
import { finishGrowth } from './grow-disks.ts';
import type { Machine } from './machine.ts';
import { copySuspended } from './suspension.ts';

/** The machine is up, and is left running or paused as it was. */
export async function saveMachine(
  { driver, disks, copies }: { driver: Driver; disks: DiskStore; copies: Pick<CopyRoom, 'fit'> },
  machine: Machine,
  folder: string,
): Promise<void> {
  const { record, vm } = machine;
  if (!record.spec.disks) {
    return record.suspended ? await copySuspended(vm, folder) : await driver.snapshot(vm, folder);
  }
  if (record.suspended) {
    await copySuspended(vm, folder);
    return await disks.save(record, folder);
  }
  const wasRunning = (await driver.inspect(vm)).state === 'running';
  if (wasRunning) await driver.pause(vm);
  try {
    await finishGrowth({ driver, disks }, machine);
    copies.fit();
    await disks.save(record, folder);
    await driver.snapshot(vm, folder);
  } finally {
    if (wasRunning) await driver.resume(vm);
  }
}
