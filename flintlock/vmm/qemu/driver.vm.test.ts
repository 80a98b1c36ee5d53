import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeImageStore } from '@tvm/images/store.ts';
import { makeLogger } from '@tvm/kit/log.ts';
import { readConfig } from '../../config.ts';
import { makeTestDisk } from '../../testing/make-test-disk.ts';
import { describeDriver } from '../conformance.ts';
import { processesBelow } from '../process.ts';
import { makeQemuDriver } from './driver.ts';
import { files } from './files.ts';

const config = readConfig();
const log = makeLogger('flintlock', 'warn');
const images = makeImageStore({ cacheDir: config.cacheDir, log, kernel: config.kernel });

const { accelerator, confinement } = config;
const driverIn = (stateFolder: string) => makeQemuDriver({ stateFolder, accelerator, confinement, log });

async function spec() {
  const { path } = await images.ensure('tvm/python', () => {});
  return { cpus: 1, memoryMiB: 256, rootDiskPath: path, boot: await images.bootFiles(() => {}) };
}

describeDriver('qemu', (stateFolder) => ({
  ...{ driver: () => driverIn(stateFolder), spec, bootTimeoutMs: 60_000, makeDisk: makeTestDisk },
}));

test('a sweep ends a process that its VM does not know: flintlock was killed before it wrote of it', async () => {
  const root = await mkdtemp(join(tmpdir(), 'tvm-driver-'));
  const machines = join(root, 'machines');
  const vm = { id: 'kept', folder: join(machines, 'kept') };
  const driver = await driverIn(root);
  try {
    await driver.start(vm, await spec());
    await rm(join(vm.folder, files.process));
    assert.deepEqual(await driver.sweep(machines, new Set(['kept'])), ['kept']);
    assert.deepEqual(processesBelow(machines), []);
  } finally {
    await driver.sweep(machines, new Set());
    await rm(root, { recursive: true, force: true });
  }
});
