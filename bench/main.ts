// npm run bench: boot and execute latency of the product beside `runc run` and bare QEMU, in one run.
// Prints a table and writes bench/out/results.json. Needs root, runc and unsquashfs.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { makeImageStore } from '@tvm/images/store.ts';
import { makeLogger } from '@tvm/kit/log.ts';
import { makeBareQemuScenario } from './bare-qemu.ts';
import { readConfig } from './config.ts';
import { makeProductScenarios } from './product.ts';
import { makeReport, toMarkdown } from './report.ts';
import { makeRuncScenario } from './runc.ts';
import { sample } from './sample.ts';
import { startService } from './service.ts';
import { printOne } from './snippet.ts';

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '10' }, help: { type: 'boolean' } } });
const rounds = Number(values.rounds);
if (values.help || !Number.isInteger(rounds) || rounds < 1) {
  console.error('usage: npm run bench -- [--rounds N]     N counted runs of each scenario (10)');
  process.exit(values.help ? 0 : 2);
}

const say = (message: string) => console.error(message);
const config = readConfig();
const folder = await mkdtemp(join(tmpdir(), 'tvm-bench-'));
try {
  const images = makeImageStore({ cacheDir: config.cacheDir, log: makeLogger('bench'), kernel: config.kernel });
  const boot = await images.bootFiles(say);
  const root = await images.ensure('tvm/python', say);
  await mkdir(join(folder, 'runc'));
  const runc = await makeRuncScenario(root.path, join(folder, 'runc'), printOne);
  const bare = makeBareQemuScenario(boot, root.path, folder, printOne);
  say('starting the service');
  await using service = await startService(join(folder, 'home'));
  const scenarios = [runc, bare, ...makeProductScenarios(service, printOne)];
  const rows = await sample(scenarios, rounds, (name, round, ms) =>
    say(`${round}/${rounds} ${name}: ${ms.toFixed(1)} ms`),
  );
  const report = makeReport(rows, service.accelerator, `npm run bench -- --rounds ${rounds}`, boot.kernelVersion);
  const out = fileURLToPath(new URL('out', import.meta.url));
  await mkdir(out, { recursive: true });
  await writeFile(join(out, 'results.json'), `${JSON.stringify(report, null, 2)}\n`);
  console.log(toMarkdown(report));
} finally {
  await rm(folder, { recursive: true, force: true });
}
