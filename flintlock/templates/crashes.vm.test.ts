// Templates and snapshots of real machines when flintlock is killed while they are made, and when the disk is full.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { MachineState, TemplateState } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import { type Daemon, startDaemon } from '../testing/daemon.ts';
import { untilState, untilTemplate } from '../testing/flintlock-harness.ts';

const spec = { image: 'tvm/python', cpus: 1, memoryMib: 128 };

async function machineOf({ flintlock }: Daemon, uid: string) {
  await flintlock.createMachine({ uid, generation: 1n, spec });
  return await untilState(flintlock, uid, MachineState.RUNNING);
}

const destroy = ({ flintlock }: Daemon, uid: string) => flintlock.destroyMachine({ uid, generation: 1n });
const namesIn = ({ home }: Daemon, folder: string) => readdirSync(join(home, 'flintlock', folder));

async function untilOnly({ flintlock }: Daemon, count: number) {
  while ((await flintlock.listMachines({})).machines.length > count) await sleep(20);
}

test('killed while it makes a template, flintlock leaves nothing of it, and makes it the next time', async () => {
  await using daemon = await startDaemon(spec.image);
  for (const delayMs of [0, 500, 1500, 2500, 3500, 4000]) {
    await machineOf(daemon, 'first');
    await sleep(delayMs);
    await daemon.end('SIGKILL');
    await daemon.start();
    await untilOnly(daemon, 1);
    assert.equal(daemon.vmms().length, 1);
    const left = namesIn(daemon, 'templates');
    assert.deepEqual(
      left.filter((name) => name.startsWith('.')),
      [],
    );
    await destroy(daemon, 'first');
    assert.deepEqual(namesIn(daemon, 'machines'), []);
    if (left.length > 0) break;
  }
  await machineOf(daemon, 'second');
  await untilTemplate(daemon.flintlock, spec.image);
  assert.equal((await machineOf(daemon, 'third')).restored, true);
});

test('killed while it snapshots, flintlock has the snapshot whole or not at all, and the machine goes on', async () => {
  await using daemon = await startDaemon(spec.image, { TVM_TEMPLATES: 'off' });
  const { bootId } = await machineOf(daemon, 'original');
  for (const delayMs of [0, 30, 100, 200, 400, 800]) {
    const name = `at-${delayMs}`;
    const asked = daemon.flintlock.snapshotMachine({ uid: 'original', generation: 1n, name }).catch(() => undefined);
    await sleep(delayMs);
    await daemon.end('SIGKILL');
    await asked;
    await daemon.start();
    assert.equal((await untilState(daemon.flintlock, 'original', MachineState.RUNNING)).bootId, bootId);
    await daemon.flintlock.listProcesses({ uid: 'original' });
    assert.deepEqual(
      namesIn(daemon, 'snapshots').filter((found) => found.startsWith('.')),
      [],
    );
    const { snapshots } = await daemon.flintlock.listSnapshots({});
    if (!snapshots.some((snapshot) => snapshot.name === name)) continue;
    await daemon.flintlock.createMachine({ uid: 'copy', spec: { snapshot: name } });
    await untilState(daemon.flintlock, 'copy', MachineState.RUNNING);
    await daemon.flintlock.destroyMachine({ uid: 'copy' });
  }
});

test('a machine survives any number of snapshots of snapshots, pauses and resumes', async () => {
  await using daemon = await startDaemon(spec.image, { TVM_TEMPLATES: 'off' });
  const { flintlock } = daemon;
  await machineOf(daemon, 'generation-0');
  for (let round = 1; round <= 5; round++) {
    const [parent, child] = [`generation-${round - 1}`, `generation-${round}`];
    for (const _ of [1, 2, 3]) {
      await flintlock.pauseMachine({ uid: parent, generation: 1n });
      await flintlock.resumeMachine({ uid: parent, generation: 1n });
    }
    await flintlock.snapshotMachine({ uid: parent, generation: 1n, name: child });
    await flintlock.createMachine({ uid: child, generation: 1n, spec: { snapshot: child } });
    await untilState(flintlock, child, MachineState.RUNNING);
    assert.ok((await flintlock.listProcesses({ uid: parent })).processes.length === 0);
    await destroy(daemon, parent);
    await flintlock.deleteSnapshot({ name: child });
  }
});

test('a full disk is told, leaves nothing half-made, and harms no machine', async () => {
  await using daemon = await startDaemon(spec.image, { TVM_TEMPLATES: 'off' });
  await machineOf(daemon, 'original');
  await daemon.end('SIGTERM');
  const folder = join(daemon.home, 'flintlock/snapshots');
  mkdirSync(folder, { recursive: true });
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', folder]);
  try {
    await daemon.start();
    const request = { uid: 'original', generation: 1n, name: 'too-large' };
    await assert.rejects(
      daemon.flintlock.snapshotMachine(request),
      /resource_exhausted.*no space left on the disk for snapshot too-large/,
    );
    assert.deepEqual(readdirSync(folder), []);
    await daemon.flintlock.listProcesses({ uid: 'original' });
    await destroy(daemon, 'original');
    await daemon.end('SIGTERM');
  } finally {
    execFileSync('umount', [folder]);
  }
});

test('a template of a real machine that was changed on disk is thrown away', async () => {
  await using daemon = await startDaemon(spec.image);
  await machineOf(daemon, 'first');
  await untilTemplate(daemon.flintlock, spec.image);
  await untilOnly(daemon, 1);
  const [key = ''] = namesIn(daemon, 'templates');
  await daemon.end('SIGTERM');
  execFileSync('truncate', ['-s', '-4096', join(daemon.home, 'flintlock/templates', key, 'memory')]);
  await daemon.start();
  assert.equal((await machineOf(daemon, 'second')).restored, false);
  await untilTemplate(daemon.flintlock, spec.image);
  writeFileSync(join(daemon.home, 'flintlock/templates', key, 'state'), 'nothing that QEMU knows');
  await machineOf(daemon, 'third');
  const { templates } = await daemon.flintlock.getNode({});
  assert.ok(templates.every(({ state }) => state !== TemplateState.FAILED));
});
