// The run of vvm doctor: all checks at once, each as a line with what to do.
import type { Context } from '../context.ts';
import { Exit, exitCodes } from '../exit-codes.ts';
import { printable } from '../output/progress.ts';
import { parseOutputFormat, toJson, toYaml } from '../output/table.ts';
import { runChecks } from './checks.ts';

const marks = { ok: 'ok     ', warning: 'warning', missing: 'MISSING' } as const;

/** Throws Exit 1 when something that machines need is missing. */
export async function doctor({ config, stdout }: Context, output: string): Promise<void> {
  const format = parseOutputFormat(output);
  const checks = await runChecks(config);
  if (format === 'json') await stdout.write(toJson({ checks }));
  else if (format === 'yaml') await stdout.write(await toYaml({ checks }));
  else {
    const lines = checks.map(({ state, name, found, advice }) => {
      const line = `${marks[state]}  ${name}: ${printable(found)}\n`;
      return advice ? `${line}         ${advice}\n` : line;
    });
    await stdout.write(lines.join(''));
  }
  if (checks.some(({ state }) => state === 'missing')) throw new Exit(exitCodes.failed);
}
