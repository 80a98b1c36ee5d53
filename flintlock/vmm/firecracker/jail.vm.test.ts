// The driver with a jail around a fake Firecracker: the mounts, users and processes are real, and want root.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { connect } from '../../guest/connect.ts';
import { shutDown } from '../../guest/machine.ts';
import { describeDriver } from '../conformance.ts';
import type { Driver, Vm, VmSpec } from '../driver.ts';
import { files, inputFiles, outputFiles } from './files.ts';
import { jailRoot } from './jail-command.ts';
import { makeFakedDriver, makeFakedJail } from './testing/faked-driver.ts';

const boot = { kernelPath: '/etc/hostname', initrdPath: '/dev/null', kernelArgs: [], needsAcpi: false };
const spec: VmSpec = { cpus: 1, memoryMiB: 64, rootDiskPath: '/etc/passwd', boot };
const deadline = () => AbortSignal.timeout(10_000);
let root: string;
let machines: string;
let driver: Driver;

const jailed = async (trackDirtyPages = false) =>
  makeFakedDriver(root, {
    ...{ jail: await makeFakedJail(root), unjailed: '', memory: { trackDirtyPages, hugePages: undefined } },
  });
const vmNamed = (id: string): Vm => ({ id, folder: join(machines, id) });
const insideOf = (vm: Vm, name: string) => join(jailRoot(vm, join(root, 'firecracker')), name);

before(async () => {
  root = await mkdtemp(join(tmpdir(), 'tvm-jail-'));
  machines = join(root, 'machines');
  driver = await jailed();
});
after(async () => {
  await driver.sweep(machines, new Set());
  await rm(root, { recursive: true, force: true });
});

describeDriver('firecracker, a fake one in a jail', () => ({
  ...{ driver: () => jailed(), spec: async () => spec, bootTimeoutMs: 10_000 },
}));

test('the VMM gets its files by mounts that the host does not see, and read-only', async () => {
  const vm = vmNamed('mounts');
  await driver.start(vm, spec);
  const status = await driver.inspect(vm);
  assert.ok(status.state === 'running');
  const seen = readFileSync(`/proc/${status.pid}/mountinfo`, 'utf8').split('\n');
  for (const name of [inputFiles.kernel, inputFiles.initrd, inputFiles.root]) {
    const [line = ''] = seen.filter((each) => each.includes(` ${insideOf(vm, name)} `));
    assert.match(line.split(' ')[5] ?? '', /^ro,nosuid,nodev,noexec/);
  }
  assert.ok(!readFileSync('/proc/self/mountinfo', 'utf8').includes(vm.folder));
  const owner = statSync(join(vm.folder, 'vmm')).gid;
  assert.ok(owner >= 200_000 && owner <= 299_999);
  await driver.destroy(vm);
  assert.deepEqual(readdirSync(vm.folder), []);
});

test('a disk is mounted in the jail for writing, for the user of its VM, and outlives the jail', async () => {
  const [vm, other] = [vmNamed('disk'), vmNamed('disk-other')];
  const path = join(root, 'data.raw');
  await writeFile(path, 'before', { mode: 0o600 });
  const disks = [{ name: 'data', path, sizeMiB: 1 }];
  await driver.start(vm, { ...spec, disks });
  await driver.start(other, spec);
  const status = await driver.inspect(vm);
  assert.ok(status.state === 'running');
  const seen = readFileSync(`/proc/${status.pid}/mountinfo`, 'utf8').split('\n');
  const [line = ''] = seen.filter((each) => each.includes(` ${insideOf(vm, 'disk0.img')} `));
  assert.match(line.split(' ')[5] ?? '', /^rw,nosuid,nodev,noexec/);
  const [own, foreign] = [vm, other].map((each) => statSync(join(each.folder, 'vmm')).gid);
  // The real jailer gives the VMM its root.
  await chmod(insideOf(vm, '.'), 0o711);
  const writeAs = (uid: number | undefined, file: string) => {
    const user = `setpriv --reuid=${uid} --regid=${uid} --clear-groups`;
    const script = `cd '${insideOf(vm, '.')}' && exec ${user} sh -c 'echo by-${uid} >${file}'`;
    return spawnSync('nsenter', ['-t', `${status.pid}`, '-m', 'sh', '-c', script]);
  };
  assert.match(writeAs(foreign, 'disk0.img').stderr.toString(), /Permission denied/);
  assert.match(writeAs(own, inputFiles.root).stderr.toString(), /Permission denied|Read-only/);
  assert.equal(readFileSync(path, 'utf8'), 'before');
  assert.equal(writeAs(own, 'disk0.img').status, 0);
  assert.equal(readFileSync(path, 'utf8'), `by-${own}\n`);
  const { uid, gid, mode } = statSync(path);
  assert.deepEqual([uid, gid, mode & 0o777], [0, own, 0o660]);
  for (const each of [vm, other]) await driver.destroy(each);
  assert.equal(readFileSync(path, 'utf8'), `by-${own}\n`);
});

test('VMs at the same time have users of their own', async () => {
  const vms = [vmNamed('user-1'), vmNamed('user-2'), vmNamed('user-3')];
  await Promise.all(vms.map((vm) => driver.start(vm, spec)));
  assert.equal(new Set(vms.map((vm) => statSync(join(vm.folder, 'vmm')).gid)).size, vms.length);
  for (const vm of vms) await driver.destroy(vm);
});

test('a guest that powers itself off is told from a VMM that fails, though it is no child of flintlock', async () => {
  const vm = vmNamed('off');
  await driver.start(vm, spec);
  const end = driver.watch(vm, () => {}, deadline());
  {
    await using guest = await connect(await driver.dial(vm, deadline()), { timeoutMs: 10_000 });
    await shutDown(guest).catch(() => undefined);
  }
  assert.equal((await end)?.exitCode, 0);
  await driver.destroy(vm);
});

test('a VMM whose flintlock was killed while its jailer ran is found and ended', async () => {
  const vm = vmNamed('lost');
  await driver.start(vm, spec);
  const status = await driver.inspect(vm);
  const record = join(vm.folder, files.process);
  // As it was written when the jailer had been started.
  writeFileSync(record, JSON.stringify({ ...JSON.parse(await readFile(record, 'utf8')), pid: 1, startTicks: '0' }));
  assert.ok((await (await jailed()).sweep(machines, new Set(['lost']))).includes('lost'));
  assert.ok(status.state === 'running' && !existsSync(`/proc/${status.pid}/cwd`));
  await driver.destroy(vm);
  assert.deepEqual(readdirSync(vm.folder), []);
});

test('a VMM that puts a link in the place of its snapshot does not get what it leads to copied', async () => {
  const vm = vmNamed('link');
  const secret = join(root, 'secret');
  writeFileSync(secret, 'of the host');
  await driver.start(vm, spec);
  const folder = await mkdtemp(join(root, 'snapshot-'));
  symlinkSync(secret, insideOf(vm, outputFiles.state));
  await assert.rejects(driver.snapshot(vm, folder), { code: 'data_loss', message: /something else in the place/ });
  assert.equal((await driver.inspect(vm)).state, 'running');
  assert.ok(!readdirSync(folder).includes('state'));
  await driver.destroy(vm);
  assert.deepEqual(readdirSync(vm.folder), []);
  assert.ok(existsSync(secret));
});

test('what the user of a VMM may not read is told, before anything is started', async () => {
  const vm = vmNamed('unreadable');
  const rootDiskPath = join(root, 'private.img');
  await writeFile(rootDiskPath, '');
  await chmod(rootDiskPath, 0o600);
  await assert.rejects(driver.start(vm, { ...spec, rootDiskPath }), { reason: 'NotReadable', hint: /chmod o\+r/ });
  assert.equal((await driver.inspect(vm)).state, 'absent');
  await driver.destroy(vm);
});

test('with written pages counted, the second snapshot is one of them alone, over the first', async () => {
  const counting = await jailed(true);
  const [vm, clone] = [vmNamed('first'), vmNamed('second')];
  const folders = [await mkdtemp(join(root, 'snapshot-')), await mkdtemp(join(root, 'snapshot-'))] as const;
  await counting.start(vm, spec);
  for (const folder of folders) await counting.snapshot(vm, folder);
  // The fake writes which kind it was asked for.
  assert.deepEqual(
    folders.map((folder) => JSON.parse(readFileSync(join(folder, 'state'), 'utf8')).kind),
    ['Full', 'Diff'],
  );
  await counting.restore(clone, spec, folders[1]);
  await rm(folders[1], { recursive: true });
  const third = await mkdtemp(join(root, 'snapshot-'));
  await counting.snapshot(clone, third);
  assert.equal(JSON.parse(readFileSync(join(third, 'state'), 'utf8')).kind, 'Diff');
  for (const each of [vm, clone]) await counting.destroy(each);
});

test('a VMM gets the interface of its VM in a namespace of its own, and owns it', async () => {
  const mac = '02:00:00:00:00:01';
  const namespace = join(root, 'netns');
  writeFileSync(namespace, '');
  execFileSync('unshare', [`--net=${namespace}`, 'true']);
  try {
    const cases = { behind: { namespace, tap: 'tap0', mac }, nothing: { namespace: '', tap: '', mac } };
    for (const [id, network] of Object.entries(cases)) {
      const vm = vmNamed(id);
      await driver.start(vm, { ...spec, network });
      const status = await driver.inspect(vm);
      assert.ok(status.state === 'running');
      const enter = id === 'behind' ? namespace : `/proc/${status.pid}/ns/net`;
      const interfaceThere = execFileSync('nsenter', [`--net=${enter}`, 'ip', '-d', 'link', 'show', 'tap0']).toString();
      const { gid: uid } = statSync(join(vm.folder, 'vmm'));
      assert.match(interfaceThere, new RegExp(`type tap .*persist on user ${uid} `));
      await assert.rejects(driver.restore(vmNamed('other'), spec, await snapshotOf(vm)), {
        reason: 'SnapshotIncompatible',
      });
      await driver.destroy(vm);
    }
  } finally {
    execFileSync('umount', [namespace]);
  }
});

async function snapshotOf(vm: Vm): Promise<string> {
  const folder = await mkdtemp(join(root, 'snapshot-'));
  await driver.snapshot(vm, folder);
  return folder;
}
