// npm run bench:scale: what lime-ctrl costs as more and more MicroVMs are declared. Tables on standard output, progress on
// standard error, files in bench/out. Invariant: nothing of a run is left on the host, however it ends.
import { commandLine, explain, publish, runBenchmark, say } from '../benchmark.ts';
import type { Scope } from '../host/scope.ts';
import { openLoad } from './load.ts';
import { toMarkdown } from './markdown.ts';
import { measureScale } from './measure.ts';
import { readScaleOptions, type ScaleOptions, usage } from './options.ts';
import { toScaleSvg } from './plot.ts';
import { describeHost, loadNow, type ScaleResults } from './results.ts';
import { openWorld } from './world.ts';

async function measure(options: ScaleOptions, scope: Scope, signal: AbortSignal) {
  const world = await openWorld({ scope, nodes: options.nodes, say });
  const load = await openLoad(world.client, signal);
  try {
    return await measureScale({ world, load, options, say });
  } catch (error) {
    say(await world.lime.lastLines());
    throw error;
  }
}

async function conclude(results: ScaleResults, { writeDocs }: ScaleOptions): Promise<number> {
  await publish({
    place: 'scale',
    results,
    markdown: toMarkdown(results),
    svg: toScaleSvg(results.figures, `${results.takenAt.slice(0, 10)}, ${results.nodes} nodes, ${results.host}`),
    picture: writeDocs ? 'benchmarks-scale.svg' : undefined,
  });
  return 0;
}

/** The exit code. */
async function main(args: string[]): Promise<number> {
  const options = readScaleOptions(args);
  const { nodes, help } = options;
  if (help) {
    console.log(usage);
    return 0;
  }
  const loadBefore = loadNow();
  return await runBenchmark(
    (scope, signal) => measure(options, scope, signal),
    async (figures) => {
      const takenAt = new Date().toISOString();
      const about = { takenAt, command: commandLine('bench:scale', args), nodes, host: describeHost(), loadBefore };
      return await conclude({ ...about, figures }, options);
    },
  );
}

process.exit(await main(process.argv.slice(2)).catch((error) => explain('bench:scale', error)));
