// npm run bench: the product beside its peers and bare QEMU, in one run. Tables on standard output, progress on standard
// error, files in bench/out. Invariant: nothing of a run is left on the host, however it ends.
import { makeLogger } from '@tvm/kit/log.ts';
import { findHost } from './bare/host.ts';
import { commandLine, explain, publish, runBenchmark, say } from './benchmark.ts';
import { readConfig } from './config.ts';
import { makeEverything } from './everything.ts';
import type { Scope } from './host/scope.ts';
import { runProbes } from './load/probe.ts';
import { sample } from './measure/sample.ts';
import { choose, type Options, readOptions, usage } from './options.ts';
import { toMarkdown } from './report/markdown.ts';
import { describeBriefly, hasFailed, machineWith, type Results } from './report/results.ts';
import { toSvg } from './report/svg.ts';

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
    command: commandLine('bench', args),
    machine: machineWith({ accelerator, qemu, guestKernel: boot.kernelVersion }),
    rows,
    probes: await runProbes(probes.filter(isChosen), { signal, say }),
  };
}

async function conclude(results: Results, options: Options): Promise<number> {
  const title = 'print(1), from the request to the output';
  await publish({
    place: 'results',
    results,
    markdown: toMarkdown(results),
    svg: toSvg({ title, subtitle: describeBriefly(results), rows: results.rows }),
    picture: options.writeDocs ? 'benchmarks.svg' : undefined,
  });
  return hasFailed(results) ? 1 : 0;
}

/** The exit code. */
async function main(args: string[]): Promise<number> {
  const options = readOptions(args);
  if (!options.help) {
    return await runBenchmark(
      (scope, signal) => measure(options, args, scope, signal),
      (results) => conclude(results, options),
    );
  }
  console.log(usage);
  return 0;
}

process.exit(await main(process.argv.slice(2)).catch((error) => explain('bench', error)));
