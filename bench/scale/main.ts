// npm run bench:scale: what lime-ctrl costs as more and more MicroVMs are declared. Tables on standard output, progress on
// standard error, files in bench/out. Invariant: nothing of a run is left on the host, however it ends.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { aborted } from '@tvm/kit/run-main.ts';
import { readConfig } from '../config.ts';
import { openScope, type Scope } from '../host/scope.ts';
import { UsageError } from '../options.ts';
import { withResults } from '../report/docs.ts';
import { openLoad } from './load.ts';
import { toMarkdown } from './markdown.ts';
import { measureScale } from './measure.ts';
import { readScaleOptions, type ScaleOptions, usage } from './options.ts';
import { toScaleSvg } from './plot.ts';
import { describeHost, loadNow, type ScaleResults } from './results.ts';
import { openWorld } from './world.ts';

const root = join(import.meta.dirname, '../..');
const interruptedCode = 130;
const say = (message: string) => console.error(`${new Date().toISOString().slice(11, 19)} ${message}`);

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

async function publish(results: ScaleResults, { writeDocs }: ScaleOptions): Promise<void> {
  const out = join(root, 'bench/out');
  const markdown = toMarkdown(results);
  const svg = toScaleSvg(results.figures, `${results.takenAt.slice(0, 10)}, ${results.nodes} nodes, ${results.host}`);
  await mkdir(out, { recursive: true });
  await writeFile(join(out, 'scale.json'), `${JSON.stringify(results, null, 2)}\n`);
  await writeFile(join(out, 'scale.md'), markdown);
  await writeFile(join(out, 'scale.svg'), svg);
  if (writeDocs) {
    const document = join(root, 'docs/benchmarks.md');
    await writeFile(document, withResults(await readFile(document, 'utf8'), markdown, 'scale'));
    await writeFile(join(root, 'docs/benchmarks-scale.svg'), svg);
  }
  console.log(markdown);
}

/** The exit code. */
async function main(args: string[]): Promise<number> {
  const options = readScaleOptions(args);
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
  const loadBefore = loadNow();
  const figures = await Promise.race([measure(options, scope, stop.signal), interrupted]);
  stop.abort();
  if (!figures) return interruptedCode;
  const command = ['npm run bench:scale', ...(args.length > 0 ? ['--', ...args] : [])].join(' ');
  const takenAt = new Date().toISOString();
  await publish({ takenAt, command, nodes: options.nodes, host: describeHost(), loadBefore, figures }, options);
  return 0;
}

function explain(error: unknown): number {
  if (!(error instanceof UsageError)) {
    console.error('bench:scale:', error);
    return 1;
  }
  console.error(`bench:scale: ${error.message}\n"npm run bench:scale -- --help" explains.`);
  return 2;
}

process.exit(await main(process.argv.slice(2)).catch(explain));
