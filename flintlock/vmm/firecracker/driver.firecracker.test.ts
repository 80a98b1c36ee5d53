// The suite of all drivers against a real Firecracker. Needs KVM: test/firecracker/ brings a machine that has it.
import { join } from 'node:path';
import { makeImageStore } from '@tvm/images/store.ts';
import { makeLogger } from '@tvm/kit/log.ts';
import { readConfig } from '../../config.ts';
import { describeDriver } from '../conformance.ts';
import { makeFirecrackerDriver } from './driver.ts';
import { firecrackerVersion } from './host.ts';

const config = readConfig();
const log = makeLogger('flintlock', 'warn');
const images = makeImageStore({ cacheDir: config.cacheDir, log, kernel: config.kernel });
const program = config.firecracker;

async function spec() {
  const { path } = await images.ensure('tvm/python', () => {});
  return { cpus: 1, memoryMiB: 128, rootDiskPath: path, boot: await images.bootFiles(() => {}) };
}

describeDriver('firecracker', (stateFolder) => ({
  driver: async () => {
    const version = await firecrackerVersion(program);
    return makeFirecrackerDriver({ program, version, cachePath: join(stateFolder, 'kvm.json') });
  },
  spec,
  bootTimeoutMs: 120_000,
}));
