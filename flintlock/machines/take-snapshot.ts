// Makes a snapshot of a machine that is up. Invariant: a number that was given to one is never given to another.
import type { Clock } from '@tvm/kit/clock.ts';
import type { DiskStore } from '../disks/disk-store.ts';
import type { DiskRoom } from '../disks/room.ts';
import type { SnapshotManifest, SnapshotStore } from '../snapshots/snapshot-store.ts';
import type { Driver } from '../vmm/driver.ts';
import { wrongState } from './claims.ts';
import type { Machine } from './machine.ts';
import { saveMachine } from './save.ts';

export interface SnapshotDeps {
  driver: Driver;
  disks: DiskStore;
  room: DiskRoom;
  snapshots: SnapshotStore;
  clock: Clock;
}

/**
 * Nothing else touches the machine meanwhile. One that is there already is the answer. Throws `resource_exhausted` before
 * anything is done to the machine when there is no room for copies of its disks.
 */
export async function takeSnapshot(deps: SnapshotDeps, machine: Machine, name: string): Promise<SnapshotManifest> {
  const { snapshots, clock } = deps;
  const existing = await snapshots.find(name);
  if (existing) return existing;
  const { uid, state, spec, labels, imageDigest, snapshotGeneration } = machine.record;
  if (state !== 'running' && state !== 'paused') throw wrongState(machine.record, 'snapshot');
  using copies = deps.room.keep(name, machine.record);
  // On disk before it is used: one that is not finished never gives its number to another.
  const generation = snapshotGeneration + 1;
  machine.change({ snapshotGeneration: generation });
  const facts = { name, machineUid: uid, generation, labels, spec, imageDigest, createdAtMs: clock.now() };
  if (deps.driver.snapshotsEndChannels) machine.hangUp();
  return await snapshots.add(facts, (folder) => saveMachine({ ...deps, copies }, machine, folder));
}
