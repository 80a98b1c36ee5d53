// Disks of real machines, of one flintlock that is itself killed on the way: what is written stays, for one machine at a time,
// for as long as its owner wants it.
import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { type DiskSchema, MachineState } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import { type Daemon, startDaemon } from '../testing/daemon.ts';
import { untilState } from '../testing/flintlock-harness.ts';
import { killProcess } from '../vmm/process.ts';

type Disk = MessageInitShape<typeof DiskSchema>;

const image = 'tvm/python';
const key = 'default/a/data';
const data: Disk = { name: 'data', sizeMib: 64, mountPath: '/data', retainedAs: key };
const work: Disk = { name: 'work', sizeMib: 32, mountPath: '/srv/site' };
const spec = { image, cpus: 1, memoryMib: 192, disks: [data, work] };

let daemon: Daemon;
before(async () => {
  daemon = await startDaemon(image, { TVM_TEMPLATES: 'off', TVM_SUSPEND_AFTER_SECONDS: '1', TVM_DISK_MIB: '1000' });
});
after(async () => await daemon[Symbol.asyncDispose]());

const one = (uid: string) => ({ uid, generation: 1n });
const create = async (uid: string, more: object = {}) =>
  await daemon.flintlock.createMachine({ ...one(uid), spec: { ...spec, ...more } });
const up = (uid: string) => untilState(daemon.flintlock, uid, MachineState.RUNNING);
const untilFailed = (uid: string) => untilState(daemon.flintlock, uid, MachineState.FAILED);
const folders = () => readdir(join(daemon.home, 'flintlock/disks'));

async function run(uid: string, code: string): Promise<string> {
  const process = { argv: ['bash', '-ec', code] };
  const requests = (async function* () {
    yield { body: { case: 'start' as const, value: { uid, process } } };
  })();
  let said = '';
  for await (const { output } of daemon.flintlock.exec(requests)) {
    const { body } = output ?? {};
    if (body?.case === 'stdout' || body?.case === 'stderr') said += Buffer.from(body.value).toString();
    if (body?.case === 'exited') assert.equal(body.value.code, 0, said);
  }
  return said.trim();
}

async function restart(uid: string, disks: Disk[] = []): Promise<void> {
  await daemon.flintlock.startMachine({ ...one(uid), disks });
  await up(uid);
}

test('a disk is there at its first start: empty, mounted where it was asked for, its owner root', async () => {
  await create('a');
  await up('a');
  assert.equal(await run('a', 'stat -c "%u %a" /data; ls -A /data'), '0 755\nlost+found');
  const mounts = await run('a', 'grep -E " (/data|/srv/site|/image) " /proc/mounts | cut -d" " -f2-4');
  assert.match(mounts, /\/data ext4 rw,nosuid,nodev/);
  assert.match(mounts, /\/srv\/site ext4 rw,nosuid,nodev/);
  await run('a', 'echo kept >/data/file; echo done >/srv/site/file');
});

test('what was written survives a stop', async () => {
  await daemon.flintlock.stopMachine({ ...one('a'), graceMs: 5000 });
  await restart('a');
  assert.equal(await run('a', 'cat /data/file /srv/site/file'), 'kept\ndone');
});

test('what was written and synced survives the end of the VMM, and of flintlock before it', async () => {
  await run('a', 'echo synced >/data/synced; sync');
  await daemon.end('SIGKILL');
  await daemon.start();
  assert.equal(await run('a', 'cat /data/synced'), 'synced');
  for (const { process } of daemon.vmms()) await killProcess(process);
  await untilFailed('a');
  await restart('a');
  assert.equal(await run('a', 'cat /data/file /data/synced'), 'kept\nsynced');
});

test('a machine that was being started when flintlock was killed keeps its disks', async () => {
  await daemon.flintlock.stopMachine({ ...one('a'), graceMs: 5000 });
  await daemon.flintlock.startMachine(one('a'));
  await daemon.end('SIGKILL');
  await daemon.start();
  assert.equal((await untilFailed('a')).reason, 'Interrupted');
  await restart('a');
  assert.equal(await run('a', 'cat /data/file /srv/site/file'), 'kept\ndone');
});

test('a disk has one machine: another that asks for it is told who has it', async () => {
  const refused = { rawMessage: /disk data \(default\/a\/data\) belongs to machine a/ };
  await assert.rejects(create('thief', { disks: [data] }), refused);
  await assert.rejects(daemon.flintlock.deleteDisk({ key }), { rawMessage: /belongs to machine a/ });
  await daemon.flintlock.stopMachine({ ...one('a'), graceMs: 5000 });
  await assert.rejects(create('thief', { disks: [data] }), refused);
});

test('a disk grows at the next start, and never shrinks; what no node could hold is refused', async () => {
  await restart('a', [
    { ...data, sizeMib: 160 },
    { ...work, sizeMib: 16 },
  ]);
  const sizes = await run('a', 'df --output=size,target -m /data /srv/site | tail -n 2; cat /data/file');
  const [dataMiB = 0, workMiB = 0] = [...sizes.matchAll(/(\d+) \//g)].map(([, size]) => Number(size));
  assert.ok(dataMiB > 140 && workMiB > 20 && workMiB < 40, sizes);
  assert.match(sizes, /kept$/);
  await run('a', 'head -c 100M /dev/zero >/data/large; sync; rm /data/large');
  await assert.rejects(create('large', { disks: [{ ...work, sizeMib: 4096 }] }), { rawMessage: /4096 MiB of disks/ });
});

test('a disk that is declared larger grows while its machine runs, also one that is slowed down, and snapshots have it', async () => {
  const { flintlock } = daemon;
  const disks = [{ ...work, sizeMib: 32 }];
  await create('grows', { disks, limits: { diskIops: 10_000 } });
  await up('grows');
  await run('grows', 'echo kept >/srv/site/kept');
  await assert.rejects(run('grows', 'head -c 60M /dev/urandom >/srv/site/large'));
  await run('grows', 'rm -f /srv/site/large');
  const grow = async (sizeMib: number) => await flintlock.growDisks({ ...one('grows'), disks: [{ ...work, sizeMib }] });
  assert.equal((await grow(180)).spec?.disks[0]?.sizeMib, 180);
  assert.equal((await grow(32)).spec?.disks[0]?.sizeMib, 180);
  await run('grows', 'head -c 150M /dev/urandom >/srv/site/large; sync');
  const sum = await run('grows', 'echo 3 >/proc/sys/vm/drop_caches; sha256sum </srv/site/large; cat /srv/site/kept');
  // Without the right to let the VMM have larger files, or without room.
  await assert.rejects(grow(4096), { rawMessage: /4096 MiB of disks|no file of 4096 MiB/ });
  assert.equal((await flintlock.getMachine(one('grows'))).spec?.disks[0]?.sizeMib, 180);
  await flintlock.pauseMachine(one('grows'));
  await assert.rejects(grow(190), { rawMessage: /cannot grow the disks of machine grows: it is paused/ });
  while (!(await flintlock.getMachine({ uid: 'grows' })).suspended) await new Promise((done) => setTimeout(done, 50));
  await flintlock.resumeMachine(one('grows'));
  assert.equal((await grow(190)).spec?.disks[0]?.sizeMib, 190);
  await flintlock.snapshotMachine({ ...one('grows'), name: 'grown' });
  await flintlock.destroyMachine(one('grows'));
  await flintlock.createMachine({ ...one('regrown'), spec: { snapshot: 'grown' } });
  await up('regrown');
  assert.equal(await run('regrown', 'sha256sum </srv/site/large; cat /srv/site/kept'), sum);
  await flintlock.destroyMachine(one('regrown'));
  await flintlock.deleteSnapshot({ name: 'grown' });
});

test('a fork has copies of its own, of the moment of the snapshot', async () => {
  const { flintlock } = daemon;
  await run('a', 'echo before >/data/both; exec 3>>/data/open; echo one >&3; setsid sleep 1000 >/dev/null 2>&1 &');
  await flintlock.snapshotMachine({ ...one('a'), name: 'moment' });
  await run('a', 'echo parent >/data/both');
  await flintlock.createMachine({ ...one('child'), spec: { snapshot: 'moment' } });
  await up('child');
  assert.equal(
    await run('child', 'cat /data/both /srv/site/file; echo child >/data/both; pgrep -c sleep'),
    'before\ndone\n1',
  );
  assert.equal(await run('a', 'cat /data/both'), 'parent');
  await flintlock.pauseMachine(one('child'));
  while (!(await flintlock.getMachine({ uid: 'child' })).suspended) await new Promise((done) => setTimeout(done, 50));
  await flintlock.snapshotMachine({ ...one('child'), name: 'suspended' });
  await flintlock.resumeMachine(one('child'));
  await flintlock.snapshotMachine({ ...one('child'), name: 'second' });
  assert.equal(await run('child', 'cat /data/both; echo again >/data/both; sync; cat /data/both'), 'child\nagain');
  await flintlock.stopMachine({ ...one('child'), graceMs: 5000 });
  await restart('child');
  assert.equal(await run('child', 'cat /data/both'), 'again');
  await flintlock.createMachine({ ...one('grandchild'), spec: { snapshot: 'second' } });
  await up('grandchild');
  assert.equal(await run('grandchild', 'cat /data/both; echo more >/data/both; sync'), 'child');
  await flintlock.destroyMachine(one('grandchild'));
});

test('a disk that its guest filled with garbage fails its machine with the reason, and nothing else', async () => {
  const device = 'while read -r device path _; do if [ "$path" = /data ]; then echo "$device"; fi; done </proc/mounts';
  await run('child', `device=$(${device}); umount /data; dd if=/dev/urandom of="$device" bs=1M count=8; sync`);
  await daemon.flintlock.stopMachine({ ...one('child'), graceMs: 1000 });
  await daemon.flintlock.startMachine(one('child'));
  const { reason, message } = await untilFailed('child');
  assert.equal(reason, 'DiskDamaged', message);
  assert.match(message, /disk data has no file system that can be mounted/);
  assert.equal(await run('a', 'cat /data/file'), 'kept');
});

test('a disk goes with its machine, or is kept for the next one that asks for it, until it is deleted', async () => {
  const { flintlock } = daemon;
  assert.equal((await folders()).length, 4);
  await flintlock.destroyMachine(one('child'));
  assert.equal((await folders()).length, 2);
  await flintlock.destroyMachine(one('a'));
  assert.equal((await folders()).length, 1);
  const { disks } = await flintlock.listDisks({});
  assert.deepEqual(
    disks.map((disk) => [disk.key, disk.sizeMib, disk.machineUid]),
    [[key, 160, '']],
  );
  assert.deepEqual((await flintlock.getNode({})).retainedDisks, [key]);
  await create('b', { disks: [data] });
  await up('b');
  assert.equal(await run('b', 'cat /data/file'), 'kept');
  await flintlock.destroyMachine(one('b'));
  await flintlock.deleteDisk({ key });
  await flintlock.deleteDisk({ key });
  assert.deepEqual(await folders(), []);
});
