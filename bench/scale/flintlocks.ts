// A program: many flintlocks in one process, each a node with machines that execute nothing. Arguments: a folder, a prefix of
// names, the number of the first, how many. Tells the addresses by their names over IPC, and ends with SIGTERM.
import { join } from 'node:path';
import { openFlintlock } from '@tvm/flintlock/flintlock.ts';
import { makeFakeDriver } from '@tvm/flintlock/vmm/fake/driver.ts';
import { FakeHost } from '@tvm/flintlock/vmm/fake/host.ts';
import { makeFakeImages } from '@tvm/flintlock/vmm/fake/images.ts';
import { makeLogger } from '@tvm/kit/log.ts';
import { aborted, runMain } from '@tvm/kit/run-main.ts';

const [folder = '', prefix = '', first = '0', count = '0'] = process.argv.slice(2);
const log = makeLogger('flintlocks', 'warn');
const limits = { cpus: 32, memoryMiB: 65_536, machines: 4096 };

await runMain(log, async (signal) => {
  await using opened = new AsyncDisposableStack();
  const addresses: Record<string, string> = {};
  for (let index = 0; index < Number(count); index += 1) {
    const nodeName = `${prefix}${Number(first) + index}`;
    const home = join(folder, nodeName);
    const config = {
      listen: `unix:${join(home, 'flintlock.sock')}`,
      ...{ stateFolder: join(home, 'state'), nodeName, limits, templates: false, bootTimeoutMs: 60_000 },
    };
    const parts = { driver: makeFakeDriver(new FakeHost()), images: makeFakeImages() };
    addresses[nodeName] = opened.use(await openFlintlock({ config, log, ...parts })).address;
  }
  process.send?.(addresses);
  await aborted(signal);
});
