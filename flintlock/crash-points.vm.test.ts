// flintlock and real VMMs are killed at chosen steps: afterwards nothing is half there, and in the end nothing is left on the host.
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { MachineState } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import { machineIdOf } from './machines/record.ts';
import { type Daemon, startDaemon } from './testing/daemon.ts';
import { untilState } from './testing/flintlock-harness.ts';
import { leftoversOf, nothingLeft } from './testing/host-leftovers.ts';
import { killProcess } from './vmm/process.ts';

const spec = { image: 'tvm/python', cpus: 1, memoryMib: 128 };
const uids = ['launched', 'kept'];
const stepMs = 5;
const lookEveryMs = 200;
let daemon: Daemon;

before(async () => {
  daemon = await startDaemon(spec.image, {
    ...{ TVM_TEMPLATES: 'off', TVM_SUSPEND_AFTER_SECONDS: '0.3', TVM_BOOT_TIMEOUT_SECONDS: '300' },
  });
});
after(async () => await daemon?.[Symbol.asyncDispose]());

const change = (uid: string) => ({ uid, generation: 1n });
const folderOf = (uid: string, ...path: string[]) => join(daemon.machinesFolder, machineIdOf(uid), ...path);

async function create(uid: string) {
  await daemon.flintlock.createMachine({ ...change(uid), spec });
  return await untilState(daemon.flintlock, uid, MachineState.RUNNING);
}

async function until(what: string, isSo: () => boolean | Promise<boolean>, everyMs = stepMs): Promise<void> {
  const deadlineMs = Date.now() + 60_000;
  while (!(await isSo())) {
    if (Date.now() > deadlineMs) throw new Error(`never: ${what}`);
    await sleep(everyMs);
  }
}

async function killFlintlock(): Promise<void> {
  await daemon.end('SIGKILL');
  await daemon.start();
}

async function untilNothingLeft(): Promise<void> {
  const look = () => leftoversOf(daemon.home, uids.map(machineIdOf));
  const isSo = () => isDeepStrictEqual(look(), nothingLeft);
  // What is left is told below.
  await until('nothing is left', isSo, lookEveryMs).catch(() => undefined);
  assert.deepEqual(look(), nothingLeft);
}

test('flintlock is killed when it has just launched a VMM: machine and VMM are gone', async () => {
  await daemon.flintlock.createMachine({ ...change('launched'), spec });
  await until('a VMM', () => daemon.vmms().length > 0);
  await killFlintlock();
  await untilNothingLeft();
});

test('flintlock is killed while it writes a machine to disk, and while it brings it back: the machine goes on', async () => {
  const { bootId } = await create('kept');
  await daemon.flintlock.pauseMachine(change('kept'));
  await until('it is being written', () => existsSync(folderOf('kept', 'suspended.new')));
  await killFlintlock();
  await until('it rests', async () => (await daemon.flintlock.getMachine({ uid: 'kept' })).suspended);
  await until('its VMM is gone', () => daemon.vmms().length === 0);
  const resuming = daemon.flintlock.resumeMachine(change('kept')).catch(() => undefined);
  await until('a VMM', () => daemon.vmms().length > 0);
  await killFlintlock();
  await resuming;
  const resumed = await daemon.flintlock.resumeMachine(change('kept'));
  assert.deepEqual([resumed.state, resumed.bootId], [MachineState.RUNNING, bootId]);
  await daemon.flintlock.listProcesses({ uid: 'kept' });
  assert.equal(daemon.vmms().length, 1);
  assert.ok(!readdirSync(folderOf('kept')).some((name) => name.startsWith('suspended')));
});

test('its VMM is killed while its memory is saved, and flintlock while it removes the rest: nothing stays', async () => {
  const snapshots = join(daemon.home, 'flintlock/snapshots');
  const refused = assert.rejects(daemon.flintlock.snapshotMachine({ ...change('kept'), name: 'half' }));
  await until('it is being saved', () => readdirSync(snapshots).length > 0);
  for (const { process } of daemon.vmms()) await killProcess(process);
  await refused;
  await until('it has failed', async () => {
    return (await daemon.flintlock.getMachine({ uid: 'kept' })).state === MachineState.FAILED;
  });
  assert.deepEqual(readdirSync(snapshots), []);
  const destroying = daemon.flintlock.destroyMachine(change('kept')).catch(() => undefined);
  await sleep(stepMs);
  await killFlintlock();
  await destroying;
  await daemon.flintlock.destroyMachine(change('kept'));
  await untilNothingLeft();
});
