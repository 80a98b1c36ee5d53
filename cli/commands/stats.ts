// vvm stats: what a machine uses now.
import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { namespaceOption } from './namespace-option.ts';

export function defineStats(program: Command, context: () => Context): void {
  program
    .command('stats')
    .summary('show what a machine uses')
    .description('Shows what a running machine uses: as its guest sees it, and what its VMM takes of the host.')
    .argument('<NAME>', 'the machine')
    .addOption(namespaceOption('namespace of the machine'))
    .option('-o, --output <format>', 'table or json', 'table')
    .addHelpText('after', '\nExamples:\n  vvm stats demo\n  vvm stats demo -o json')
    .action(async (name: string, options: { namespace?: string; output: string }) => {
      const { stats } = await import('./stats-run.ts');
      await stats(context(), name, options);
    });
}
