import { makeImageStore } from '@tvm/images/store.ts';
import { makeLogger } from '@tvm/kit/log.ts';
import { readConfig } from '../../config.ts';
import { describeDriver } from '../conformance.ts';
import { makeQemuDriver } from './driver.ts';

const config = readConfig();
const log = makeLogger('flintlock', 'warn');
const images = makeImageStore({ cacheDir: config.cacheDir, log, kernel: config.kernel });

describeDriver('qemu', (stateFolder) => ({
  driver: () => makeQemuDriver({ stateFolder, accelerator: config.accelerator, log }),
  async spec() {
    const { path } = await images.ensure('tvm/python', () => {});
    return { cpus: 1, memoryMiB: 256, rootDiskPath: path, boot: await images.bootFiles(() => {}) };
  },
  bootTimeoutMs: 60_000,
}));
