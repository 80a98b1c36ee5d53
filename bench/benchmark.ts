// What every benchmark's command does around its measuring: progress, an end that cleans up however it comes, files with the
// results, and what is said of wrong usage.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { aborted } from '@tvm/kit/run-main.ts';
import { readConfig } from './config.ts';
import { openScope, type Scope } from './host/scope.ts';
import { UsageError } from './options.ts';
import { type Place, withResults } from './report/docs.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const interruptedCode = 130;

/** Progress, on standard error. */
export const say = (message: string) => console.error(`${new Date().toISOString().slice(11, 19)} ${message}`);

/** Measures until that is done or a signal comes, then concludes with an exit code. What was started is ended in the end. */
export async function runBenchmark<Measured extends object>(
  measure: (scope: Scope, signal: AbortSignal) => Promise<Measured>,
  conclude: (measured: Measured) => Promise<number>,
): Promise<number> {
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      say('interrupted: ending what was started');
      stop.abort();
    });
  }
  await using scope = await openScope(readConfig().temporary);
  const interrupted = aborted(stop.signal).then(() => undefined);
  const measured = await Promise.race([measure(scope, stop.signal), interrupted]);
  stop.abort();
  return measured === undefined ? interruptedCode : await conclude(measured);
}

export interface Publication {
  /** Of the files in bench/out, and of the place in docs/benchmarks.md. */
  place: Place;
  results: object;
  markdown: string;
  svg: string;
  /** Name of the picture in docs, when the results go there too. */
  picture: string | undefined;
}

export async function publish({ place, results, markdown, svg, picture }: Publication): Promise<void> {
  const out = join(root, 'bench/out');
  await mkdir(out, { recursive: true });
  await writeFile(join(out, `${place}.json`), `${JSON.stringify(results, null, 2)}\n`);
  await writeFile(join(out, `${place}.md`), markdown);
  await writeFile(join(out, `${place}.svg`), svg);
  if (picture !== undefined) {
    const document = join(root, 'docs/benchmarks.md');
    await writeFile(document, withResults(await readFile(document, 'utf8'), markdown, place));
    await writeFile(join(root, 'docs', picture), svg);
  }
  console.log(markdown);
}

/** As it was typed. */
export function commandLine(name: string, args: string[]): string {
  return [`npm run ${name}`, ...(args.length > 0 ? ['--', ...args] : [])].join(' ');
}

/** Says what went wrong; gives the exit code. */
export function explain(name: string, error: unknown): number {
  if (!(error instanceof UsageError)) {
    console.error(`${name}:`, error);
    return 1;
  }
  console.error(`${name}: ${error.message}\n"npm run ${name} -- --help" explains.`);
  return 2;
}
