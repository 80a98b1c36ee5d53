// Disks that are declared larger while their machine runs. Invariant: the record says the new size only when the guest's file
// system has it: whoever asked asks again until then, and each step may be repeated.
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { TvmError } from '@tvm/api/errors.ts';
import type { DiskSpec } from '../disks/disk.ts';
import type { DiskStore } from '../disks/disk-store.ts';
import { type DiskOwner, grown } from '../disks/plan.ts';
import { configure } from '../guest/machine.ts';
import type { Driver } from '../vmm/driver.ts';
import { wrongState } from './claims.ts';
import { guestDisks, namingDisks } from './guest-disks.ts';
import { guestOf } from './guest-identity.ts';
import type { Machine } from './machine.ts';
import { objectOf } from './record.ts';

const deadlineMs = 20_000;
const askAgainMs = 50;
const mib = 1_048_576n;

export interface GrowthDeps {
  driver: Driver;
  disks: DiskStore;
  /** Throws when there is no room. */
  admit: (owner: DiskOwner) => void;
}

/** Nothing else touches the machine meanwhile. */
export async function growRunningDisks(
  deps: GrowthDeps,
  machine: Machine,
  declared: readonly Pick<DiskSpec, 'name' | 'sizeMiB'>[],
): Promise<void> {
  const { driver, disks } = deps;
  const { record, vm } = machine;
  const wanted = grown(record.spec.disks ?? [], declared);
  if (isDeepStrictEqual(wanted, record.spec.disks ?? [])) return;
  if (record.state !== 'running') throw wrongState(record, 'grow the disks of');
  if (!driver.growDisk) throw onlyAtStart(record.uid, driver.name);
  const owner = { uid: record.uid, spec: { disks: wanted } };
  // Before its VMM may have larger files: one that was taken over would fill them, whatever is refused after.
  deps.admit(owner);
  for (const disk of disks.attachments(owner)) await driver.prepareGrowth?.(vm, disk);
  // Nothing comes between the two: room that is found is taken.
  deps.admit(owner);
  disks.grow(owner);
  for (const disk of disks.attachments(owner)) await driver.growDisk(vm, disk);
  await growFileSystems(deps, machine, wanted);
  machine.change({ spec: { ...machine.record.spec, disks: wanted } });
}

/**
 * A growth that was cut short (flintlock was killed) left files that are larger than their VMM knows: it is told before its state is
 * saved, which would not fit them otherwise.
 */
export async function finishGrowth(
  { driver, disks }: Pick<GrowthDeps, 'driver' | 'disks'>,
  machine: Machine,
): Promise<void> {
  if (!machine.record.spec.disks) return;
  for (const disk of disks.attachments(machine.record)) await driver.growDisk?.(machine.vm, disk);
}

/** The guest's kernel hears of a larger device a moment later: its agent is asked until it has. */
async function growFileSystems(deps: GrowthDeps, machine: Machine, wanted: readonly DiskSpec[]): Promise<void> {
  // A guest may be as slow as it likes: a stop does not wait for it.
  const deadline = AbortSignal.any([machine.beginStep(), AbortSignal.timeout(deadlineMs)]);
  const disks = guestDisks(deps, machine.record).map((disk, index) => ({
    ...disk,
    sizeBytes: BigInt(wanted[index]?.sizeMiB ?? 0) * mib,
  }));
  for (;;) {
    try {
      const configured = configure(await guestOf(deps, machine, deadline), { disks }, deadline);
      await namingDisks(machine.record, disks, configured);
      return;
    } catch (error) {
      if (TvmError.from(error).reason !== 'DiskNotGrown' || deadline.aborted) throw error;
      await sleep(askAgainMs);
    }
  }
}

function onlyAtStart(uid: string, driver: string): TvmError {
  const message = `disks of machine ${uid} do not grow while it runs under ${driver}: they do when it starts the next time`;
  return new TvmError('failed_precondition', message, { object: objectOf(uid), reason: 'GrowsAtStart' });
}
