// flintlock is killed at any step of anything it was asked for, any number of times. Whoever asked asks again, as every caller
// does; then everything that was declared is there, once, and nothing else is.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Machine, MachineState } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import fc from 'fast-check';
import { machineIdOf } from './machines/record.ts';
import { makeSnapshotStore } from './snapshots/snapshot-store.ts';
import { CrashWorld } from './testing/crash-world.ts';
import { smallSpec } from './testing/flintlock-harness.ts';

const runs = 2;
const uids = ['a', 'b', 'c'];
const verbs = ['create', 'pause', 'resume', 'stop', 'start', 'snapshot', 'deleteSnapshot', 'destroy'] as const;

interface Command {
  verb: (typeof verbs)[number];
  uid: string;
}
/** What the caller wants of each machine, and which snapshots. */
interface Wishes {
  machines: Map<string, 'running' | 'paused' | 'stopped'>;
  snapshots: Set<string>;
  /** Of machines that were seen running since they were started last. */
  bootIds: Map<string, string>;
}

const snapshotOf = (uid: string) => `of-${uid}`;

const commands = fc.array(fc.record({ verb: fc.constantFrom(...verbs), uid: fc.constantFrom(...uids) }), {
  minLength: 4,
  maxLength: 10,
});
/** A life of flintlock: what it is asked for, and the step that it dies at. */
const lives = fc.array(fc.record({ commands, dieAt: fc.integer({ min: 1, max: 60 }) }), { minLength: 2, maxLength: 2 });

test('killed at any step of anything, flintlock has all that was declared, once, and nothing else', async () => {
  await fc.assert(
    fc.asyncProperty(lives, async (given) => {
      await using world = await CrashWorld.open();
      const wishes: Wishes = { machines: new Map(), snapshots: new Set(), bootIds: new Map() };
      for (const life of given) {
        await world.start(life.dieAt);
        for (const command of life.commands) if (world.alive) await carryOut(world, wishes, command);
        await world.kill();
        await world.start(0);
        await checkNothingHalf(world);
        await converge(world, wishes);
        await checkEverything(world, wishes);
        await world.kill();
      }
    }),
    { numRuns: runs, endOnFailure: true },
  );
});

/** A command that makes no sense now is left out. The wish counts from when it is asked for, whether or not it is answered. */
async function carryOut(world: CrashWorld, wishes: Wishes, command: Command): Promise<void> {
  const { machines, snapshots, bootIds } = wishes;
  const { verb, uid } = command;
  const now = machines.get(uid);
  const known = now !== undefined;
  if (verb === 'create' ? known : verb === 'deleteSnapshot' ? !snapshots.has(snapshotOf(uid)) : !known) return;
  if ((verb === 'pause' || verb === 'resume' || verb === 'snapshot') && now === 'stopped') return;
  if (verb === 'create' || verb === 'resume' || verb === 'start') machines.set(uid, 'running');
  if (verb === 'pause') machines.set(uid, 'paused');
  if (verb === 'stop') machines.set(uid, 'stopped');
  if (verb === 'snapshot') snapshots.add(snapshotOf(uid));
  if (verb === 'deleteSnapshot') snapshots.delete(snapshotOf(uid));
  if (verb === 'destroy') machines.delete(uid);
  if (verb === 'stop' || verb === 'destroy') bootIds.delete(uid);
  try {
    await ask(world, command);
    const machine = (await world.settled()).find((each) => each.uid === uid);
    if (machine && machine.bootId !== '' && now === undefined) bootIds.set(uid, machine.bootId);
  } catch (error) {
    if (!world.alive) return;
    // The connection may end before the end of the process is seen.
    for (let look = 0; look < 1000 && world.alive; look += 1) await sleep(10);
    if (world.alive) throw error;
  }
}

async function ask({ client }: CrashWorld, { verb, uid }: Command): Promise<void> {
  const change = { uid, generation: 1n };
  switch (verb) {
    case 'create':
      await client.createMachine({ ...change, spec: smallSpec });
      return;
    case 'pause':
      await client.pauseMachine(change);
      return;
    case 'resume':
      await client.resumeMachine(change);
      return;
    case 'stop':
      await client.stopMachine({ ...change, graceMs: 1000 });
      return;
    case 'start':
      await client.startMachine(change);
      return;
    case 'snapshot':
      await client.snapshotMachine({ ...change, name: snapshotOf(uid) });
      return;
    case 'deleteSnapshot':
      await client.deleteSnapshot({ name: snapshotOf(uid) });
      return;
    case 'destroy':
      await client.destroyMachine(change);
  }
}

/** Before anybody asks for anything: what is there belongs together. */
async function checkNothingHalf(world: CrashWorld): Promise<void> {
  const machines = await world.settled();
  assert.deepEqual(world.names('machines'), machines.map(({ uid }) => machineIdOf(uid)).sort());
  for (const machine of machines) checkMachine(world, machine);
  const kept = new Set(machines.map(({ uid }) => join(world.home, 'flintlock/machines', machineIdOf(uid))));
  for (const folder of world.host.vms.keys()) assert.ok(kept.has(folder), `a VM in ${folder} belongs to no machine`);
  const { snapshots } = await world.client.listSnapshots({});
  assert.deepEqual(world.names('snapshots'), snapshots.map(({ name }) => name).sort());
  const store = makeSnapshotStore(join(world.home, 'flintlock/snapshots'));
  for (const { imageDigest, name } of await store.list()) await store.open(name, imageDigest);
}

const vmOfState: Partial<Record<MachineState, 'running' | undefined>> = {
  [MachineState.RUNNING]: 'running',
  [MachineState.PAUSED]: undefined,
  [MachineState.STOPPED]: undefined,
  [MachineState.FAILED]: undefined,
};

function checkMachine(world: CrashWorld, { uid, state, suspended }: Machine): void {
  assert.ok(state in vmOfState, `machine ${uid} is ${MachineState[state]}`);
  assert.equal(world.vmOf(uid), vmOfState[state], `the VM of ${uid}, which is ${MachineState[state]}`);
  const files = ['machine.json', 'output.log', 'output.log.marks', ...(suspended ? ['suspended'] : [])];
  assert.deepEqual(world.names('machines', machineIdOf(uid)), files, `files of ${uid}`);
}

/** What lime-ctrl does when a flintlock is back: it asks for what is declared and not there. */
async function converge(world: CrashWorld, { machines, snapshots, bootIds }: Wishes): Promise<void> {
  const { client } = world;
  for (const { uid } of await world.settled()) if (!machines.has(uid)) await ask(world, { verb: 'destroy', uid });
  for (const [uid, wish] of machines) {
    const before = (await world.settled()).find((machine) => machine.uid === uid);
    if (!before) {
      bootIds.delete(uid);
      await ask(world, { verb: 'create', uid });
    }
    const [machine] = (await world.settled()).filter((each) => each.uid === uid);
    const isUp = machine?.state === MachineState.RUNNING || machine?.state === MachineState.PAUSED;
    if (!isUp && wish !== 'stopped') await ask(world, { verb: 'start', uid });
    await world.settled();
    if (isUp && wish === 'stopped') await ask(world, { verb: 'stop', uid });
    if (wish === 'running') await ask(world, { verb: 'resume', uid });
    if (wish === 'paused') await ask(world, { verb: 'pause', uid });
  }
  for (const { name } of (await client.listSnapshots({})).snapshots) {
    if (!snapshots.has(name)) await client.deleteSnapshot({ name });
  }
  for (const name of snapshots) {
    const uid = name.slice(snapshotOf('').length);
    const isUp = (machines.get(uid) ?? 'stopped') !== 'stopped';
    const isThere = (await client.listSnapshots({})).snapshots.some((each) => each.name === name);
    if (!isThere && isUp) await ask(world, { verb: 'snapshot', uid });
    // Its machine ended before it was taken: there is nothing to take it of any more.
    else if (!isThere) snapshots.delete(name);
  }
}

const stateOfWish = {
  running: MachineState.RUNNING,
  paused: MachineState.PAUSED,
  stopped: MachineState.STOPPED,
} as const;

async function checkEverything(world: CrashWorld, { machines, snapshots, bootIds }: Wishes): Promise<void> {
  await checkNothingHalf(world);
  const found = await world.settled();
  assert.deepEqual(found.map(({ uid }) => uid).sort(), [...machines.keys()].sort());
  for (const { uid, state, bootId } of found) {
    assert.equal(state, stateOfWish[machines.get(uid) ?? 'stopped'], `machine ${uid}`);
    // One that had come up was not made anew.
    if (bootIds.has(uid)) assert.equal(bootId, bootIds.get(uid), `machine ${uid} is another one than before`);
  }
  assert.deepEqual(world.names('snapshots'), [...snapshots].sort());
}
