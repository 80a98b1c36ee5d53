// vvm fork: machines that continue a running one.
import type { Command } from 'commander';
import type { Context } from '../context.ts';
import type { ForkOptions } from './fork-run.ts';
import { namespaceOption } from './namespace-option.ts';

export function defineFork(program: Command, context: () => Context): void {
  program
    .command('fork')
    .summary('make machines that continue a running one')
    .description(
      'Makes machines that continue a running one from this moment on: its memory, processes and open files, each machine with an identity of its own. Waits until they run, and prints them.',
    )
    .argument('<MACHINE>', 'the machine, which goes on too')
    .argument('[NAME...]', 'names of the new machines (default: generated ones)')
    .option('-c, --count <count>', 'how many, 64 at most (default: one for each name, or 1)')
    .addOption(namespaceOption())
    .option('--no-wait', 'do not wait until they run')
    .option('--timeout <time>', 'wait at most this long', '5m')
    .option('-o, --output <format>', 'table, wide, json, yaml or name', 'name')
    .addHelpText('after', '\nExamples:\n  vvm fork demo --count 8\n  vvm fork demo left right -o json')
    .action(async (machine: string, names: string[], options: ForkOptions) => {
      const { fork } = await import('./fork-run.ts');
      await fork(context(), machine, names, options);
    });
}
