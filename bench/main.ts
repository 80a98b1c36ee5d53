// npm run bench: the product beside its peers and bare QEMU, in one run. Tables on standard output, progress on standard
// error, files in bench/out. Invariant: nothing of a run is left on the host, however it ends.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeLogger } from '@tvm/kit/log.ts';
import { aborted } from '@tvm/kit/run-main.ts';
import { findHost } from './bare/host.ts';
import { readConfig } from './config.ts';
import { makeEverything } from './everything.ts';
import { openScope, type Scope } from './host/scope.ts';
import { runProbes } from './load/probe.ts';
import { sample } from './measure/sample.ts';
import { choose, type Options, readOptions, UsageError, usage } from './options.ts';
import { withResults } from './report/docs.ts';
import { toMarkdown } from './report/markdown.ts';
import { describeBriefly, hasFailed, machineWith, type Results } from './report/results.ts';
import { toSvg } from './report/svg.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const interruptedCode = 130;
const say = (message: string) => console.error(`${new Date().toISOString().slice(11, 19)} ${message}`);

async function measure(options: Options, args: string[], scope: Scope, signal: AbortSignal): Promise<Results> {
  const config = readConfig();
  const log = makeLogger('bench', 'warn');
  const host = scope.lazy(() => findHost({ ...config, folder: scope.folder, log, say }));
  const { path, environment } = config;
  const { scenarios, probes } = makeEverything({ scope, host, environment, path, options, say });
  const chosen = new Set(choose([...scenarios, ...probes], options.only).map(({ id }) => id));
  const isChosen = ({ id }: { id: string }) => chosen.has(id);
  const { boot, accelerator, qemu } = await host();
  const { rounds } = options;
  const rows = await sample(scenarios.filter(isChosen), {
    rounds,
    signal,
    onRun: (name, round, ms) => say(`${round}/${rounds} ${name}: ${ms.toFixed(1)} ms`),
    onFailure: (name, error) => say(`${name}: FAILED: ${error instanceof Error ? error.message : error}`),
  });
  return {
    takenAt: new Date().toISOString(),
    command: ['npm run bench', ...(args.length > 0 ? ['--', ...args] : [])].join(' '),
    machine: machineWith({ accelerator, qemu, guestKernel: boot.kernelVersion }),
    rows,
    probes: await runProbes(probes.filter(isChosen), { signal, say }),
  };
}

async function publish(results: Results, options: Options): Promise<void> {
  const out = join(root, 'bench/out');
  const markdown = toMarkdown(results);
  const subtitle = describeBriefly(results);
  const svg = toSvg({ title: 'print(1), from the request to the output', subtitle, rows: results.rows });
  await mkdir(out, { recursive: true });
  await writeFile(join(out, 'results.json'), `${JSON.stringify(results, null, 2)}\n`);
  await writeFile(join(out, 'results.md'), markdown);
  await writeFile(join(out, 'results.svg'), svg);
  if (options.writeDocs) {
    const document = join(root, 'docs/benchmarks.md');
    await writeFile(document, withResults(await readFile(document, 'utf8'), markdown));
    await writeFile(join(root, 'docs/benchmarks.svg'), svg);
  }
  console.log(markdown);
}

/** The exit code. */
async function main(args: string[]): Promise<number> {
  const options = readOptions(args);
  if (options.help) {
    console.log(usage);
    return 0;
  }
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      say('interrupted: ending what was started');
      stop.abort();
    });
  }
  await using scope = await openScope(readConfig().temporary);
  const interrupted = aborted(stop.signal).then(() => undefined);
  const results = await Promise.race([measure(options, args, scope, stop.signal), interrupted]);
  if (!results) return interruptedCode;
  await publish(results, options);
  return hasFailed(results) ? 1 : 0;
}

function explain(error: unknown): number {
  if (!(error instanceof UsageError)) {
    console.error('bench:', error);
    return 1;
  }
  console.error(`bench: ${error.message}\n"npm run bench -- --help" explains.`);
  return 2;
}

process.exit(await main(process.argv.slice(2)).catch(explain));
