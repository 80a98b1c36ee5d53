// The flintlock daemon: wiring alone.
import { makeImageStore } from '@tvm/images/store.ts';
import { makeLogger } from '@tvm/kit/log.ts';
import { aborted, notifyReady, runMain, settingsFrom } from '@tvm/kit/run-main.ts';
import { readConfig } from './config.ts';
import { openFlintlock } from './flintlock.ts';
import { makeFakeDriver } from './vmm/fake/driver.ts';
import { FakeHost } from './vmm/fake/host.ts';
import { makeFakeImages } from './vmm/fake/images.ts';
import { makeQemuDriver } from './vmm/qemu/driver.ts';

const config = await settingsFrom(readConfig);
const log = makeLogger('flintlock', config.logLevel);

await runMain(log, async (signal) => {
  const { stateFolder, accelerator, cacheDir, kernel } = config;
  const parts =
    config.driver === 'fake'
      ? { driver: makeFakeDriver(new FakeHost()), images: makeFakeImages() }
      : {
          driver: await makeQemuDriver({ stateFolder, accelerator, log }),
          images: makeImageStore({ cacheDir, log, kernel }),
        };
  await using flintlock = await openFlintlock({ config, log, ...parts });
  log.info({ address: flintlock.address, driver: parts.driver.name }, 'serving');
  notifyReady({ address: flintlock.address });
  await aborted(signal);
});
