import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { describeDriver } from '../conformance.ts';
import type { Driver, VmDisk, VmSpec } from '../driver.ts';
import type { FirecrackerDeps } from './driver.ts';
import { files, snapshotFiles } from './files.ts';
import type { ApiRequest } from './requests.ts';
import {
  bootRequests,
  grownRequest,
  limitRequests,
  pauseRequest,
  restoreRequest,
  resumeRequest,
  snapshotRequest,
  tellRequest,
} from './requests.ts';
import { bodies, operationOf } from './testing/api-bodies.ts';
import { makeFakedDriver } from './testing/faked-driver.ts';

const boot = { kernelPath: '/dev/null', initrdPath: '/dev/null', kernelArgs: [], needsAcpi: false };
const spec: VmSpec = { cpus: 1, memoryMiB: 64, rootDiskPath: '/dev/null', boot };
let root: string;

const disks = [
  { name: 'data', path: '/nowhere/a', sizeMiB: 64 },
  { name: 'more-data', path: '/nowhere/b', sizeMiB: 32 },
];
const network = { namespace: '/run/netns/x', tap: 'tap0', mac: '02:00:00:00:00:01' };
const memory = { trackDirtyPages: false, hugePages: undefined };
const hugePages = { pager: '/nowhere/pager' };
const driverOf = (over: Partial<FirecrackerDeps> = {}) => makeFakedDriver(root, over);

before(async () => {
  root = await mkdtemp(join(tmpdir(), 'tvm-fc-'));
});
after(() => rm(root, { recursive: true, force: true }));

describeDriver('firecracker, a fake one', () => ({
  driver: () => driverOf(),
  spec: async () => spec,
  bootTimeoutMs: 10_000,
}));

test('every request is one that the API takes', () => {
  const requests = [
    ...bootRequests(spec, memory),
    ...bootRequests(spec, { trackDirtyPages: true, hugePages }),
    ...[pauseRequest, resumeRequest, snapshotRequest('Full', '/s', '/m'), snapshotRequest('Diff', '/s', '/m')],
    ...bootRequests({ ...spec, network, limits: { diskIops: 100, diskBytesPerSecond: 1_000_000 } }, memory),
    ...bootRequests({ ...spec, disks }, memory),
    ...[...limitRequests({ limits: { diskIops: 100 }, disks }), ...limitRequests({}), tellRequest, grownRequest(3)],
    ...[restoreRequest(spec, memory), restoreRequest({ network }, { ...memory, trackDirtyPages: true })],
    restoreRequest(spec, { ...memory, hugePages }),
  ];
  for (const { method, path, body } of requests) {
    const operation = operationOf(method, path);
    assert.ok(operation, `${method} ${path}`);
    bodies[operation].parse(body);
  }
});

test('what a dead process left behind does not keep its VM from starting again', async () => {
  const driver = await driverOf();
  const vm = { id: 'again', folder: join(root, 'again') };
  await driver.start(vm, spec);
  await driver.kill(vm);
  await driver.start(vm, spec);
  assert.equal((await driver.inspect(vm)).state, 'running');
  await driver.destroy(vm);
});

test('a VM that cannot be configured or loaded fails with what Firecracker says, and leaves no process', async () => {
  const driver = await driverOf();
  const vm = { id: 'broken', folder: join(root, 'broken') };
  const noKernel = { ...spec, boot: { ...boot, kernelPath: '/nowhere/vmlinux' } };
  await assert.rejects(driver.start(vm, noKernel), {
    reason: 'VmmStartFailed',
    message: /no such file .*\/nowhere\/vmlinux/,
  });
  assert.notEqual((await driver.inspect(vm)).state, 'running');
  const snapshot = await mkdtemp(join(root, 'snapshot-'));
  await driver.start(vm, spec);
  await driver.snapshot(vm, snapshot);
  await writeFile(join(snapshot, snapshotFiles.state), 'garbage');
  const other = { id: 'other', folder: join(root, 'other') };
  await assert.rejects(driver.restore(other, spec, snapshot), { message: /Load snapshot error/ });
  assert.notEqual((await driver.inspect(other)).state, 'running');
  await assert.rejects(driver.restore(other, { ...spec, memoryMiB: 128 }, snapshot), {
    reason: 'SnapshotIncompatible',
  });
  for (const each of [vm, other]) await driver.destroy(each);
});

test('a program that ends at once is told with its own words', async () => {
  const program = join(root, 'no-firecracker');
  await writeFile(program, '#!/bin/sh\necho "no such option" >&2\nexit 3\n', { mode: 0o755 });
  const vm = { id: 'none', folder: join(root, 'none') };
  const driver = await driverOf({ program });
  await assert.rejects(driver.start(vm, spec), { message: /it says: no such option/ });
  await driver.destroy(vm);
  await assert.rejects(readFile(join(vm.folder, files.process)), { code: 'ENOENT' });
});

test('dialling ends when its time is up, and when the VMM ends', async () => {
  const driver = await driverOf();
  const vm = { id: 'deaf', folder: join(root, 'deaf') };
  await driver.start(vm, spec);
  await rm(join(vm.folder, files.vsock));
  await assert.rejects(driver.dial(vm, AbortSignal.timeout(100)), { code: 'deadline_exceeded' });
  const refused = assert.rejects(driver.dial(vm, AbortSignal.timeout(10_000)), { code: 'unavailable' });
  await driver.kill(vm);
  await refused;
  await driver.destroy(vm);
});

test('a VM that is restored has the limits of its disk before it goes on, and loses those that it shall not have', async () => {
  const driver = await driverOf();
  const original = { id: 'limited', folder: join(root, 'limited') };
  const limits = { diskIops: 50, diskBytesPerSecond: 1000 };
  const snapshot = await mkdtemp(join(root, 'snapshot-'));
  await driver.start(original, { ...spec, limits });
  await driver.snapshot(original, snapshot);
  for (const wanted of [limits, undefined]) {
    const vm = { id: `clone-${!!wanted}`, folder: join(root, `clone-${!!wanted}`) };
    const asked: ApiRequest[] = [];
    const other = await driverOf({ onRequest: (request) => asked.push(request) });
    await other.restore(vm, { ...spec, limits: wanted }, snapshot);
    const [load, patch, resume] = asked;
    assert.deepEqual(load, restoreRequest(spec, memory, false));
    assert.deepEqual(resume, resumeRequest);
    assert.deepEqual([patch], limitRequests({ limits: wanted }));
    assert.equal((await other.inspect(vm)).state, 'running');
    await other.destroy(vm);
  }
  await driver.destroy(original);
});

async function makeDisks(of: string): Promise<VmDisk[]> {
  const folder = await mkdtemp(join(root, `disks-${of}-`));
  for (const { name } of disks) await writeFile(join(folder, name), `${of} ${name}`);
  return disks.map((disk) => ({ ...disk, path: join(folder, disk.name) }));
}

test('disks come after the root in their order, for writing, what is synced in them is kept, and each has the limits', () => {
  const limits = { diskIops: 50 };
  const drives = bootRequests({ ...spec, disks, limits }, memory).flatMap(({ path, body }) =>
    path.startsWith('/drives/') ? [bodies['PUT /drives'].parse(body)] : [],
  );
  assert.deepEqual(
    drives.map(({ drive_id, is_read_only, cache_type }) => [drive_id, is_read_only, cache_type]),
    [
      ['root', true, undefined],
      ['disk0', false, 'Writeback'],
      ['disk1', false, 'Writeback'],
    ],
  );
  for (const { rate_limiter } of drives) assert.deepEqual(rate_limiter?.ops, { size: 50, refill_time: 1000 });
});

test('a VM that is restored has disks of its own by the names of the snapshot, its limits on each, and none but those', async () => {
  const asked: ApiRequest[] = [];
  const driver = await driverOf({ onRequest: (request) => asked.push(request) });
  const [vm, clone] = [
    { id: 'disks', folder: join(root, 'disks') },
    { id: 'disks-clone', folder: join(root, 'disks-clone') },
  ];
  const own = await makeDisks('clone');
  const snapshot = await mkdtemp(join(root, 'snapshot-'));
  await driver.start(vm, { ...spec, disks: await makeDisks('original') });
  await driver.snapshot(vm, snapshot);
  await driver.restore(clone, { ...spec, disks: own, limits: { diskIops: 50 } }, snapshot);
  assert.equal(await readFile(join(clone.folder, 'disk1.img'), 'utf8'), 'clone more-data');
  assert.equal(await readFile(join(vm.folder, 'disk1.img'), 'utf8'), 'original more-data');
  assert.deepEqual(
    asked.filter(({ path, method }) => method === 'PATCH' && path.startsWith('/drives/')).map(({ path }) => path),
    ['/drives/root', '/drives/disk0', '/drives/disk1'],
  );
  const other = { id: 'no-disks', folder: join(root, 'no-disks') };
  for (const wrong of [[], own.slice(1), [...own].reverse()]) {
    const refused = driver.restore(other, { ...spec, disks: wrong }, snapshot);
    await assert.rejects(refused, { reason: 'SnapshotIncompatible', message: /disks/ });
  }
  for (const each of [vm, clone]) await driver.destroy(each);
  assert.deepEqual(await readdir(clone.folder), []);
  assert.equal(await readFile(own[0]?.path ?? '', 'utf8'), 'clone data');
});

test('disks that the guest could take for each other are refused; others it knows by what Firecracker calls them', async () => {
  const driver = await driverOf();
  const vm = { id: 'alike', folder: join(root, 'alike') };
  const [one, other] = await makeDisks('alike');
  assert.ok(one && other);
  const alike = { ...other, path: one.path };
  await assert.rejects(driver.start(vm, { ...spec, disks: [one, alike] }), { reason: 'DisksAlike' });
  assert.equal((await driver.inspect(vm)).state, 'absent');
  const { dev, ino } = await stat(one.path);
  assert.equal(driver.serialOf?.(one), `${dev}0${ino}`.slice(0, 20));
  await driver.destroy(vm);
});

test('what a guest read and wrote is summed up, also by a flintlock that comes later, and begins anew with its VMM', async () => {
  const vm = { id: 'counted', folder: join(root, 'counted') };
  const driver = await driverOf();
  const useOf = async (one: Driver) => (await one.usage(vm)).disk;
  await driver.start(vm, spec);
  assert.deepEqual(await useOf(driver), { readBytes: 1024, writtenBytes: 512, reads: 2, writes: 1 });
  assert.deepEqual(await useOf(await driverOf()), { readBytes: 2048, writtenBytes: 1024, reads: 4, writes: 2 });
  await driver.kill(vm);
  await driver.start(vm, spec);
  assert.equal((await useOf(driver))?.reads, 2);
  await driver.destroy(vm);
});

test('a disk that grows is opened anew, and only as large a one goes on from a snapshot', async () => {
  const asked: ApiRequest[] = [];
  const driver = await driverOf({ onRequest: (request) => asked.push(request) });
  const [vm, clone] = [
    { id: 'grows', folder: join(root, 'grows') },
    { id: 'grows-clone', folder: join(root, 'grows-clone') },
  ];
  const small = await makeDisks('grows');
  const [data, other] = small;
  assert.ok(data && other);
  const large = [data, { ...other, sizeMiB: 64 }];
  await driver.start(vm, { ...spec, disks: small });
  await driver.growDisk?.(vm, { ...other, sizeMiB: 64 });
  assert.deepEqual(asked.at(-1)?.body, { drive_id: 'disk1', path_on_host: 'disk1.img' });
  const snapshot = await mkdtemp(join(root, 'snapshot-'));
  await driver.snapshot(vm, snapshot);
  await assert.rejects(driver.restore(clone, { ...spec, disks: small }, snapshot), { reason: 'SnapshotIncompatible' });
  await driver.restore(clone, { ...spec, disks: large }, snapshot);
  await assert.rejects(async () => driver.growDisk?.(vm, { ...other, name: 'none' }), { code: 'not_found' });
  for (const each of [vm, clone]) await driver.destroy(each);
});
