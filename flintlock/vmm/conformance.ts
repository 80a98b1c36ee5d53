// What every driver must do, whatever its VMM: one suite that runs against each.
// Invariant: a harness gives a fresh driver for the same host each time it is asked, as a restart of flintlock would.
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { connect } from '../guest/connect.ts';
import { guestLost } from '../guest/connection.ts';
import { configure, ping } from '../guest/machine.ts';
import { runProcess } from '../guest/processes.ts';
import { type Driver, savedDiskPath, savedDisksFolder, type Vm, type VmDisk, type VmSpec } from './driver.ts';
import { copySparse } from './sparse.ts';

export interface Harness {
  driver(): Promise<Driver>;
  spec(): Promise<VmSpec>;
  bootTimeoutMs: number;
  /** Makes an empty file system of so many MiB; absent: its guests cannot mount one. */
  makeDisk?(path: string, sizeMiB: number): Promise<void>;
}

export function describeDriver(name: string, makeHarness: (stateFolder: string) => Harness): void {
  describe(`driver ${name}`, () => {
    let root: string;
    let harness: Harness;
    let driver: Driver;
    let machines: string;
    const vmNamed = (id: string): Vm => ({ id, folder: join(machines, id) });
    const deadline = () => AbortSignal.timeout(harness.bootTimeoutMs);
    const reach = async (vm: Vm) =>
      await connect(await driver.dial(vm, deadline()), { timeoutMs: harness.bootTimeoutMs });

    before(async () => {
      root = await mkdtemp(join(tmpdir(), 'tvm-driver-'));
      machines = join(root, 'machines');
      harness = makeHarness(root);
      driver = await harness.driver();
    });
    after(async () => {
      await driver.sweep(machines, new Set());
      await rm(root, { recursive: true, force: true });
    });

    test('a VM boots, runs a process, is paused, resumed, and destroyed; each twice', async () => {
      const vm = vmNamed('life');
      assert.equal((await driver.inspect(vm)).state, 'absent');
      await driver.start(vm, await harness.spec());
      await driver.start(vm, await harness.spec());
      {
        await using guest = await reach(vm);
        assert.match((await ping(guest)).bootId, /^[0-9a-f-]{36}$/);
        await configure(guest, { hostname: 'conforms', unixTimeNs: BigInt(Date.now()) * 1_000_000n });
        const { stdout } = await runProcess(guest, { argv: ['echo', 'hello'] }, { maxOutputBytes: 100 });
        assert.equal(stdout.toString(), 'hello\n');
      }
      for (const _ of [1, 2]) await driver.pause(vm);
      assert.equal((await driver.inspect(vm)).state, 'paused');
      for (const _ of [1, 2]) await driver.resume(vm);
      assert.equal((await driver.inspect(vm)).state, 'running');
      await askOnce(vm);
      assert.ok((await driver.usage(vm)).residentBytes >= 0);
      for (const _ of [1, 2]) await driver.destroy(vm);
      assert.equal((await driver.inspect(vm)).state, 'absent');
    });

    test('a paused guest does not answer until it is resumed', async () => {
      const vm = vmNamed('pause');
      await driver.start(vm, await harness.spec());
      await using guest = await reach(vm);
      await driver.pause(vm);
      const answer = ping(guest);
      const first = await Promise.race([answer.then(() => 'answer'), sleepMs(200).then(() => 'silence')]);
      assert.equal(first, 'silence');
      await driver.resume(vm);
      await (driver.resumesEndChannels ? assert.rejects(answer, { reason: guestLost }) : answer);
      guest.close();
      await askOnce(vm);
      await driver.destroy(vm);
    });

    test('a second channel replaces the first', async () => {
      const vm = vmNamed('dial');
      await driver.start(vm, await harness.spec());
      const first = await reach(vm);
      first.close();
      await using second = await reach(vm);
      await ping(second);
      await driver.destroy(vm);
    });

    test('the end of a VMM is noticed and said, also by a driver that did not start it', async () => {
      const vm = vmNamed('death');
      await driver.start(vm, await harness.spec());
      const later = await harness.driver();
      const stop = new AbortController();
      const unwatched = driver.watch(vm, () => {}, stop.signal);
      stop.abort();
      assert.equal(await unwatched, undefined);
      assert.equal((await later.inspect(vm)).state, 'running');
      const end = later.watch(vm, () => {}, new AbortController().signal);
      await sleepMs(50);
      await driver.kill(vm);
      assert.ok(await end);
      assert.equal((await later.inspect(vm)).state, 'ended');
      await assert.rejects(later.dial(vm, deadline()), { code: 'failed_precondition' });
      await assert.rejects(later.pause(vm), { code: 'failed_precondition' });
      await later.destroy(vm);
      assert.equal((await driver.inspect(vm)).state, 'absent');
    });

    test('a snapshot leaves the VM as it was, and any number of VMs start from it', async () => {
      const vm = vmNamed('original');
      const folder = await mkdtemp(join(root, 'snapshot-'));
      await driver.start(vm, await harness.spec());
      const { bootId } = await askOnce(vm);
      await driver.snapshot(vm, folder);
      assert.equal((await driver.inspect(vm)).state, 'running');
      assert.equal((await askOnce(vm)).bootId, bootId);
      const clones = [vmNamed('clone-1'), vmNamed('clone-2')];
      for (const clone of clones) await driver.restore(clone, await harness.spec(), folder);
      for (const clone of clones) assert.equal((await askOnce(clone)).bootId, bootId);
      const again = await mkdtemp(join(root, 'snapshot-'));
      await driver.pause(clones[0] ?? vm);
      await driver.snapshot(clones[0] ?? vm, again);
      assert.equal((await driver.inspect(clones[0] ?? vm)).state, 'paused');
      const grandchild = vmNamed('grandchild');
      await driver.restore(grandchild, await harness.spec(), again);
      assert.equal((await askOnce(grandchild)).bootId, bootId);
      const once = await mkdtemp(join(root, 'snapshot-'));
      await driver.snapshot(clones[0] ?? vm, once);
      assert.equal(
        (await driver.inspect(clones[0] ?? vm)).state,
        'paused',
        'any number of snapshots of one that is paused',
      );
      await driver.resume(clones[0] ?? vm);
      assert.equal((await askOnce(clones[0] ?? vm)).bootId, bootId);
      for (const one of [vm, ...clones, grandchild]) await driver.destroy(one);
    });

    test('disks are there for the next VM that has them, and a snapshot goes on with copies of its own', async (t) => {
      if (!harness.makeDisk) return t.skip('its guests cannot mount disks');
      const [vm, clone] = [vmNamed('disks'), vmNamed('disks-clone')];
      const disks = await makeDisks();
      const spec = await harness.spec();
      await driver.start(vm, { ...spec, disks });
      await runWith(vm, disks, 'echo "of data" >/data/file; echo "of work" >/more/file; sync');
      await driver.pause(vm);
      const folder = await mkdtemp(join(root, 'snapshot-'));
      await mkdir(join(folder, savedDisksFolder));
      for (const { name, path } of disks) await copySparse(path, savedDiskPath(folder, name));
      await driver.snapshot(vm, folder);
      await driver.resume(vm);
      await runWith(vm, disks, 'echo "of the original" >>/data/file; sync');
      assert.ok(((await driver.usage(vm)).disk?.writtenBytes ?? 0) > 0);
      const copies = await copiesOf(disks, folder);
      await driver.restore(clone, { ...spec, disks: copies }, folder);
      assert.equal(await runWith(clone, copies, 'cat /data/file /more/file'), 'of data\nof work\n');
      await runWith(clone, copies, 'echo "of the clone" >>/more/file; sync');
      for (const each of [vm, clone]) await driver.destroy(each);
      await driver.start(clone, { ...spec, disks: copies });
      assert.equal(await runWith(clone, copies, 'cat /data/file /more/file'), 'of data\nof work\nof the clone\n');
      await driver.start(vm, { ...spec, disks });
      assert.equal(await runWith(vm, disks, 'cat /data/file /more/file'), 'of data\nof the original\nof work\n');
      for (const each of [vm, clone]) await driver.destroy(each);
    });

    test('a disk that is made larger is so in the guest that runs, and in what goes on from its snapshots', async (t) => {
      if (!harness.makeDisk || !driver.growDisk) return t.skip('its guests cannot have disks that grow');
      const [vm, clone] = [vmNamed('grown'), vmNamed('grown-clone')];
      const disks = await makeDisks();
      const spec = await harness.spec();
      await driver.start(vm, { ...spec, disks });
      await runWith(vm, disks, 'true');
      const now = disks.map((disk) => ({ ...disk, sizeMiB: disk.name === 'more' ? 24 : disk.sizeMiB }));
      const [, more] = now;
      assert.ok(more);
      await truncate(more.path, 24 * 1024 * 1024);
      for (const _ of [1, 2]) await driver.growDisk(vm, more);
      const sizes = 'cat /sys/block/$(basename $(grep " /more " /proc/mounts | cut -d " " -f 1))/size';
      assert.equal(await runWith(vm, disks, sizes), '49152\n');
      await driver.pause(vm);
      const folder = await mkdtemp(join(root, 'snapshot-'));
      await mkdir(join(folder, savedDisksFolder));
      for (const { name, path } of now) await copySparse(path, savedDiskPath(folder, name));
      await driver.snapshot(vm, folder);
      const copies = await copiesOf(now, folder);
      await driver.restore(clone, { ...spec, disks: copies }, folder);
      assert.equal(await runWith(clone, copies, sizes), '49152\n');
      for (const each of [vm, clone]) await driver.destroy(each);
    });

    test('a sweep ends what nobody keeps', async () => {
      const [kept, stray] = [vmNamed('kept'), vmNamed('stray')];
      for (const vm of [kept, stray]) await driver.start(vm, await harness.spec());
      const swept = await (await harness.driver()).sweep(machines, new Set(['kept']));
      assert.ok(swept.includes('stray') && !swept.includes('kept'));
      assert.equal((await driver.inspect(kept)).state, 'running');
      assert.notEqual((await driver.inspect(stray)).state, 'running');
      for (const vm of [kept, stray]) await driver.destroy(vm);
    });

    test('a folder too deep for sockets is refused', () => {
      assert.throws(() => driver.checkFolder(`/${'x'.repeat(120)}`), { code: 'invalid_argument' });
    });

    async function makeDisks(): Promise<VmDisk[]> {
      const folder = await mkdtemp(join(root, 'disks-'));
      const disks = ['data', 'more'].map((name) => ({ name, path: join(folder, `${name}.raw`), sizeMiB: 16 }));
      for (const { path, sizeMiB } of disks) await harness.makeDisk?.(path, sizeMiB);
      return disks;
    }

    async function copiesOf(disks: VmDisk[], snapshotFolder: string): Promise<VmDisk[]> {
      const folder = await mkdtemp(join(root, 'disks-'));
      const copies = disks.map((disk) => ({ ...disk, path: join(folder, `${disk.name}.raw`) }));
      for (const { name, path } of copies) await copySparse(savedDiskPath(snapshotFolder, name), path);
      return copies;
    }

    /** Has the disks mounted at their names, and gives what a script says. */
    async function runWith(vm: Vm, disks: VmDisk[], script: string): Promise<string> {
      await using guest = await reach(vm);
      const mounted = disks.map((disk) => ({
        serial: driver.serialOf?.(disk) ?? disk.name,
        mountPath: `/${disk.name}`,
      }));
      await configure(guest, { unixTimeNs: BigInt(Date.now()) * 1_000_000n, disks: mounted });
      const argv = ['sh', '-ec', script];
      const { stdout, stderr } = await runProcess(guest, { argv }, { maxOutputBytes: 1000 });
      assert.equal(stderr.toString(), '');
      return stdout.toString();
    }

    async function askOnce(vm: Vm) {
      await using guest = await reach(vm);
      return await ping(guest);
    }
  });
}

function sleepMs(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
