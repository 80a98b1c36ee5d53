import assert from 'node:assert/strict';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Driver, Vm, VmSpec } from '../driver.ts';
import { snapshotFiles } from './files.ts';
import { makeFakedDriver, writeProgram } from './testing/faked-driver.ts';
import { pagersBelow, untilNoPager } from './testing/pagers.ts';

const boot = { kernelPath: '/dev/null', initrdPath: '/dev/null', kernelArgs: [], needsAcpi: false };
const spec: VmSpec = { cpus: 1, memoryMiB: 64, rootDiskPath: '/dev/null', boot };

describe('memory in huge pages, with fakes', () => {
  let root: string;
  let driver: Driver;
  let snapshot: string;
  const vmNamed = (id: string): Vm => ({ id, folder: join(root, id) });

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'tvm-pager-'));
    const pager = await writeProgram(root, 'pager');
    driver = await makeFakedDriver(root, { memory: { trackDirtyPages: false, hugePages: { pager } } });
    const vm = vmNamed('first');
    snapshot = await mkdtemp(join(root, 'snapshot-'));
    await driver.start(vm, spec);
    await driver.snapshot(vm, snapshot);
    await driver.destroy(vm);
  });
  after(() => rm(root, { recursive: true, force: true }));

  test('a restored VM has a pager, which ends with it; one that boots has none', async () => {
    assert.deepEqual(pagersBelow(root), []);
    const vm = vmNamed('clone');
    await driver.restore(vm, spec, snapshot);
    assert.equal((await driver.inspect(vm)).state, 'running');
    assert.equal(pagersBelow(root).length, 1);
    await driver.destroy(vm);
    await untilNoPager(root);
  });

  test('a snapshot that cannot be loaded leaves no pager', async () => {
    const broken = await mkdtemp(join(root, 'snapshot-'));
    for (const name of [snapshotFiles.memory, snapshotFiles.about]) {
      await copyFile(join(snapshot, name), join(broken, name));
    }
    await writeFile(join(broken, snapshotFiles.state), 'garbage');
    const vm = vmNamed('broken');
    await assert.rejects(driver.restore(vm, spec, broken), { message: /Load snapshot error/ });
    await untilNoPager(root);
    await driver.destroy(vm);
  });

  test('a pager that does not start says why, and its VMM is ended', async () => {
    const empty = await mkdtemp(join(root, 'snapshot-'));
    for (const name of [snapshotFiles.state, snapshotFiles.about]) {
      await copyFile(join(snapshot, name), join(empty, name));
    }
    const vm = vmNamed('empty');
    await assert.rejects(driver.restore(vm, spec, empty), {
      reason: 'VmmStartFailed',
      message: /the pager of empty did not start: tvm-pager: ENOENT/,
    });
    assert.notEqual((await driver.inspect(vm)).state, 'running');
    await driver.destroy(vm);
  });

  test('a snapshot of memory in small pages is not loaded into huge ones', async () => {
    const small = await makeFakedDriver(root);
    const vm = vmNamed('small');
    await assert.rejects(small.restore(vm, spec, snapshot), { reason: 'SnapshotIncompatible' });
  });
});
