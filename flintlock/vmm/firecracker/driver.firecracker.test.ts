// The suite of all drivers against a real Firecracker. Needs KVM: test/firecracker/ brings a machine that has it.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { makeImageStore } from '@tvm/images/store.ts';
import { makeLogger } from '@tvm/kit/log.ts';
import { readConfig } from '../../config.ts';
import { connect } from '../../guest/connect.ts';
import { shutDown } from '../../guest/machine.ts';
import { runProcess, startProcess } from '../../guest/processes.ts';
import { makeTestDisk } from '../../testing/make-test-disk.ts';
import { describeDriver } from '../conformance.ts';
import type { Driver, Vm } from '../driver.ts';
import { makeFirecrackerDriver } from './driver.ts';
import { findJail } from './find-jail.ts';
import { firecrackerVersion } from './host.ts';
import { ensurePager } from './pager.ts';
import type { ApiRequest } from './requests.ts';
import { makeRequestCheck } from './testing/openapi.ts';
import { pagersBelow, untilNoPager } from './testing/pagers.ts';

const config = readConfig();
const log = makeLogger('flintlock', 'warn');
const images = makeImageStore({ cacheDir: config.cacheDir, log, kernel: config.kernel });
const program = config.firecracker;

async function spec() {
  const { path } = await images.ensure('tvm/python', () => {});
  return { cpus: 1, memoryMiB: 128, rootDiskPath: path, boot: await images.bootFiles(() => {}) };
}

const sent: ApiRequest[] = [];
const onRequest = (request: ApiRequest) => void sent.push(request);

async function driverIn(
  stateFolder: string,
  confinement: 'require' | 'off',
  diffSnapshots: boolean,
  hugePages = false,
) {
  const { firecracker, jailer } = config;
  const version = await firecrackerVersion(firecracker);
  const settings = { ...config.confinement, mode: confinement };
  const found = await findJail({ jailer, firecracker, version, confinement: settings, stateFolder });
  const pager = hugePages && (await ensurePager(config.cacheDir, () => undefined, new AbortController().signal));
  const memory = { trackDirtyPages: diffSnapshots, hugePages: pager ? { pager } : undefined };
  return makeFirecrackerDriver({
    ...found,
    program,
    version,
    cachePath: join(stateFolder, 'kvm.json'),
    memory,
    log,
    onRequest,
  });
}

describeDriver('firecracker', (stateFolder) => ({
  driver: () => driverIn(stateFolder, 'off', false),
  spec,
  bootTimeoutMs: 120_000,
  makeDisk: makeTestDisk,
}));

describeDriver('firecracker in a jail, with snapshots of what changed', (stateFolder) => ({
  driver: () => driverIn(stateFolder, 'require', true),
  spec,
  bootTimeoutMs: 120_000,
  makeDisk: makeTestDisk,
}));

describe('a jailed Firecracker', () => {
  let root: string;
  let driver: Driver;
  const vmNamed = (id: string): Vm => ({ id, folder: join(root, 'machines', id) });
  const deadline = () => AbortSignal.timeout(120_000);
  const reach = async (vm: Vm) => connect(await driver.dial(vm, deadline()), { timeoutMs: 120_000 });
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'tvm-jailed-'));
    driver = await driverIn(root, 'require', false);
  });
  after(async () => {
    await driver.sweep(join(root, 'machines'), new Set());
    await rm(root, { recursive: true, force: true });
  });

  test('has a user, namespaces and a root of its own, and no rights', async () => {
    const vm = vmNamed('confined');
    await driver.start(vm, await spec());
    const status = await driver.inspect(vm);
    assert.ok(status.state === 'running');
    const said = await readFile(`/proc/${status.pid}/status`, 'utf8');
    const field = (name: string) => new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(said)?.[1]?.split('\t') ?? [];
    const uid = `${(await stat(join(vm.folder, 'vmm'))).gid}`;
    assert.ok(Number(uid) >= config.confinement.users.first);
    assert.deepEqual([field('Uid'), field('Gid')], [Array(4).fill(uid), Array(4).fill(uid)]);
    assert.deepEqual([field('CapEff'), field('CapPrm')], [['0000000000000000'], ['0000000000000000']]);
    assert.deepEqual(field('NSpid'), [`${status.pid}`, '1']);
    for (const kind of ['mnt', 'pid']) {
      const [its, ours] = [await readlink(`/proc/${status.pid}/ns/${kind}`), await readlink(`/proc/self/ns/${kind}`)];
      assert.notEqual(its, ours);
    }
    const sees = await readdir(`/proc/${status.pid}/root`);
    assert.deepEqual(
      sees.filter((name) => ['proc', 'etc', 'home', 'sys', 'usr', 'old_root'].includes(name)),
      [],
    );
    const limits = await readFile(`/proc/${status.pid}/limits`, 'utf8');
    assert.match(limits, /Max open files\s+1024\s+1024/);
    assert.match(limits, /Max core file size\s+0\s+0/);
    const mounts = await readFile('/proc/self/mountinfo', 'utf8');
    assert.ok(!mounts.includes(vm.folder));
    await driver.destroy(vm);
    assert.deepEqual(await readdir(vm.folder), []);
  });

  test('its guest prints to the console, and powers itself off with exit code 0', async () => {
    const vm = vmNamed('console');
    await driver.start(vm, await spec());
    let console = '';
    const end = driver.watch(
      vm,
      (data) => {
        console += Buffer.from(data).toString();
      },
      deadline(),
    );
    {
      await using guest = await reach(vm);
      const script = 'echo "<2>printed by the kernel" >/dev/kmsg; echo printed by a program >/dev/console';
      const { stderr } = await runProcess(guest, { argv: ['sh', '-c', script] }, { maxOutputBytes: 1000 });
      assert.equal(stderr.toString(), '');
      await shutDown(guest);
    }
    assert.equal((await end)?.exitCode, 0);
    assert.match(console, /printed by the kernel/);
    assert.match(console, /printed by a program/);
    await driver.destroy(vm);
  });

  test('has its network interface where it is told to, also after a restore', async () => {
    const mac = '06:00:ac:10:00:02';
    const [vm, clone] = [vmNamed('quiet'), vmNamed('joined')];
    const own = await spec();
    await driver.start(vm, { ...own, network: { namespace: '', tap: '', mac } });
    assert.match(await addressesIn(vm), new RegExp(mac));
    const folder = await mkdtemp(join(root, 'snapshot-'));
    await driver.snapshot(vm, folder);
    const namespace = join(root, 'netns');
    await writeFile(namespace, '');
    execFileSync('unshare', [`--net=${namespace}`, 'true']);
    try {
      await driver.restore(clone, { ...own, network: { namespace, tap: 'tap0', mac } }, folder);
      assert.match(await addressesIn(clone), new RegExp(mac));
      const devices = execFileSync('nsenter', [`--net=${namespace}`, 'cat', '/proc/net/dev']).toString();
      assert.match(devices, /tap0:/);
      for (const each of [vm, clone]) await driver.destroy(each);
    } finally {
      execFileSync('umount', [namespace]);
    }
  });

  const addressesIn = (vm: Vm) => run(vm, 'cat /sys/class/net/*/address');

  test('reads its disk no faster than it may, also after a restore', async () => {
    const limits = { diskBytesPerSecond: 2 * 1024 * 1024, diskIops: 1000 };
    const [vm, clone] = [vmNamed('slow'), vmNamed('slow-clone')];
    const own = await spec();
    await driver.start(vm, own);
    await readsOf(vm);
    const folder = await mkdtemp(join(root, 'snapshot-'));
    await driver.snapshot(vm, folder);
    await driver.restore(clone, { ...own, limits }, folder);
    // Twelve MiB, of which two may come at once.
    assert.ok((await readsOf(clone)) > 4);
    for (const each of [vm, clone]) await driver.destroy(each);
  });

  /** Seconds for 12 MiB, past the guest's page cache. */
  async function readsOf(vm: Vm): Promise<number> {
    await using guest = await reach(vm);
    const script = `
import mmap, os, time
disk = os.open('/dev/vda', os.O_RDONLY | os.O_DIRECT)
buffer = mmap.mmap(-1, 1 << 20)
began = time.monotonic()
for _ in range(12): os.readv(disk, [buffer])
print(time.monotonic() - began)`;
    const { stdout, stderr } = await runProcess(guest, { argv: ['python3', '-c', script] }, { maxOutputBytes: 1000 });
    assert.match(stdout.toString(), /^\d/, stderr.toString());
    return Number(stdout.toString());
  }

  test('what its guest frees goes back to the host, also after a restore', async () => {
    const [vm, clone] = [vmNamed('frees'), vmNamed('frees-clone')];
    const own = await spec();
    await driver.start(vm, own);
    await assertGivesBack(vm);
    const folder = await mkdtemp(join(root, 'snapshot-'));
    await driver.snapshot(vm, folder);
    await driver.restore(clone, own, folder);
    await assertGivesBack(clone);
    for (const each of [vm, clone]) await driver.destroy(each);
  });

  /** Has a program in the guest take memory, and end. */
  async function assertGivesBack(vm: Vm): Promise<void> {
    const takenMib = 64;
    await using guest = await reach(vm);
    const before = await ownMib(vm);
    const stream = startProcess(guest, {
      argv: ['python3', '-uc', `taken = b"x" * (${takenMib} << 20); print("taken"); input()`],
      stdin: true,
    });
    const answers = stream[Symbol.asyncIterator]();
    while ((await answers.next()).value?.case !== 'stdout');
    const most = await ownMib(vm);
    assert.ok(most > before + takenMib / 2, `${before} MiB, then ${most} MiB`);
    await stream.send({ case: 'end', value: true });
    while (!(await answers.next()).done);
    for (const late = deadline(); (await ownMib(vm)) > most - takenMib / 2; await sleep(200)) late.throwIfAborted();
  }

  /** What the VMM has of the host that it shares with nobody. */
  async function ownMib(vm: Vm): Promise<number> {
    const status = await driver.inspect(vm);
    assert.ok(status.state === 'running');
    const said = await readFile(`/proc/${status.pid}/status`, 'utf8');
    return Number(/^RssAnon:\s+(\d+) kB$/m.exec(said)?.[1]) / 1024;
  }

  for (const confinement of ['off', 'require'] as const) {
    test(`in huge pages a VM is restored as often as the host has pages for (confinement: ${confinement})`, async () => {
      const [vm, ...clones] = ['huge', 'huge-1', 'huge-2', 'huge-3'].map((name) => vmNamed(`${name}-${confinement}`));
      const [one, other, late] = clones;
      assert.ok(vm && one && other && late);
      const huge = await driverIn(root, confinement, false, true);
      const own = await spec();
      await using _pages = await provideHugePages(3 * own.memoryMiB);
      await huge.start(vm, own);
      await run(vm, 'head -c 20000000 /dev/urandom >/tmp/kept; md5sum /tmp/kept >/tmp/sum');
      const folder = await mkdtemp(join(root, 'snapshot-'));
      await huge.snapshot(vm, folder);
      for (const clone of [one, other]) await huge.restore(clone, own, folder);
      for (const each of [vm, one, other]) assert.match(await run(each, 'md5sum -c /tmp/sum'), /OK/);
      assert.equal(pagersBelow(root).length, 2);
      const status = await readFile(`/proc/${pagersBelow(root)[0]}/status`, 'utf8');
      const uid = confinement === 'off' ? 0 : (await stat(join(one.folder, 'vmm'))).gid;
      assert.match(status, new RegExp(`^Uid:\\s${uid}\\s`, 'm'));
      // Another flintlock takes the pager of a VM that it keeps for none of its strays.
      const another = await driverIn(root, confinement, false, true);
      await another.sweep(join(root, 'machines'), new Set([vm, one, other].map(({ id }) => id)));
      assert.equal(pagersBelow(root).length, 2);
      assert.match(await run(one, 'python3 -c "print(sum(range(10)))"'), /45/);
      await huge.snapshot(one, await mkdtemp(join(root, 'snapshot-')));
      // No page is left but those in use.
      await writeFile(hugePagesFile, '0');
      await assert.rejects(huge.restore(late, own, folder), {
        reason: 'VmmStartFailed',
        message: /no page of 2097152 bytes left/,
      });
      assert.equal((await huge.inspect(late)).state, 'ended');
      for (const each of [vm, ...clones]) await huge.destroy(each);
      await untilNoPager(root);
    });
  }

  test('a VM whose pager was killed can be ended; one whose memory is not there fails at once', async () => {
    const vm = vmNamed('huge-alone');
    const huge = await driverIn(root, 'require', false, true);
    const own = await spec();
    await using _pages = await provideHugePages(2 * own.memoryMiB);
    await huge.start(vm, own);
    await run(vm, 'true');
    const folder = await mkdtemp(join(root, 'snapshot-'));
    await huge.snapshot(vm, folder);
    const clone = vmNamed('huge-clone');
    await huge.restore(clone, own, folder);
    for (const pid of pagersBelow(root)) process.kill(Number(pid), 'SIGKILL');
    assert.equal((await huge.inspect(clone)).state, 'running');
    await huge.destroy(clone);
    await rm(join(folder, 'memory'));
    await assert.rejects(huge.restore(clone, own, folder), /pager .* did not start: tvm-pager: .*memory: No such file/);
    for (const each of [vm, clone]) await huge.destroy(each);
    await untilNoPager(root);
  });

  async function run(vm: Vm, script: string): Promise<string> {
    await using guest = await reach(vm);
    const { stdout } = await runProcess(guest, { argv: ['sh', '-c', script] }, { maxOutputBytes: 1000 });
    return stdout.toString();
  }
});

const hugePageMiB = 2;

const hugePagesFile = '/proc/sys/vm/nr_hugepages';

/** The host has so many until it is disposed. */
async function provideHugePages(mib: number): Promise<AsyncDisposable> {
  const set = async (wanted: number) => {
    await writeFile(hugePagesFile, String(wanted));
    assert.equal(Number(await readFile(hugePagesFile, 'utf8')), wanted);
  };
  await set(mib / hugePageMiB);
  return { [Symbol.asyncDispose]: () => set(0) };
}

const description = process.env.FIRECRACKER_OPENAPI;
test('everything that was asked is as the API is described', {
  skip: !description && 'wants FIRECRACKER_OPENAPI',
}, () => {
  const check = makeRequestCheck(description ?? '');
  assert.deepEqual(new Set(sent.flatMap(check)), new Set());
  assert.ok(sent.length > 50);
});
