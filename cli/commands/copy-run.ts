// The run of vvm cp: which way, then the copy, then what was left out.

import type { Context } from '../context.ts';
import { copyFromMachine } from '../copy/from-machine.ts';
import { makeMachineFiles } from '../copy/machine-files.ts';
import { copyToMachine } from '../copy/to-machine.ts';
import { Exit, exitCodes, usageError } from '../exit-codes.ts';
import { printable } from '../output/progress.ts';
import { clientOf } from './machines-run.ts';

/** Throws Exit 1 when something was left out, each said on stderr. */
export async function copy(context: Context, source: string, target: string, namespace?: string): Promise<void> {
  const from = machinePath(source);
  const to = machinePath(target);
  const remote = from ?? to;
  if (!remote || (from && to)) {
    const what = from ? 'both sides are in machines' : 'no side is in a machine';
    throw usageError(
      what,
      'Write vvm cp PATH NAME:/PATH, or vvm cp NAME:/PATH PATH (./a:b for a local name with a colon).',
    );
  }
  const files = makeMachineFiles(await clientOf(context), remote.name, namespace);
  const say = (path: string) => {
    // A line a file is too much where lines stay.
    if (context.stderr.isTerminal) context.progress.say(`copying ${path}`);
  };
  const skipped = from
    ? await copyFromMachine(files, from.path, target, say)
    : await copyToMachine(files, source, remote.path, say);
  await context.progress.clear();
  for (const line of skipped) await context.stderr.write(`vvm: not copied: ${printable(line)}\n`);
  if (skipped.length > 0) throw new Exit(exitCodes.failed);
}

/** `NAME:/PATH`; a path that has a slash before its colon is local. */
export function machinePath(text: string): { name: string; path: string } | undefined {
  const match = /^([a-z0-9][-a-z0-9]*):(.*)$/s.exec(text);
  if (!match?.[1]) return undefined;
  if (!match[2]?.startsWith('/')) {
    throw usageError(`"${text}": the path in the machine is not absolute`, `Write ${match[1]}:/${match[2] ?? ''}.`);
  }
  return { name: match[1], path: match[2] };
}
