// vvm disk: disks that outlived their machine.
import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { namespaceOption } from './namespace-option.ts';

const run = () => import('./disk-run.ts');

export function defineDisk(program: Command, context: () => Context): void {
  const disk = program
    .command('disk')
    .summary('disks that outlive their machine')
    .description('Disks made with --disk …,retain: a new machine of the same name that asks for one finds it again.');
  disk
    .command('list')
    .alias('ls')
    .description('Shows the retained disks of a namespace.')
    .addOption(namespaceOption())
    .option('-o, --output <format>', 'table, json, yaml or name', 'table')
    .addHelpText('after', '\nExamples:\n  vvm disk list\n  vvm disk list -o json')
    .action(async (options: { namespace?: string; output: string }) => (await run()).list(context(), options));
  disk
    .command('delete')
    .alias('rm')
    .description('Deletes disks that no machine has, with all that is on them.')
    .argument('<MACHINE/DISK...>', 'the disks, by the name of their machine and their own')
    .addOption(namespaceOption())
    .addHelpText('after', '\nExamples:\n  vvm disk delete demo/data')
    .action(async (names: string[], options: { namespace?: string }) =>
      (await run()).remove(context(), names, options),
    );
}
