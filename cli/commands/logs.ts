// vvm logs: the console and command output of a machine.
import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { namespaceOption } from './namespace-option.ts';

export function defineLogs(program: Command, context: () => Context): void {
  program
    .command('logs')
    .summary('show the console and output of a machine')
    .description('Shows what the machine wrote to its console, and the output of its command.')
    .argument('<NAME>', 'the machine')
    .option('-f, --follow', 'go on until the machine ends')
    .option('--tail <bytes>', 'only this many bytes of the end')
    .addOption(namespaceOption('namespace of the machine'))
    .addHelpText('after', '\nExamples:\n  vvm logs demo\n  vvm logs -f demo --tail 4096')
    .action(async (name: string, options: { follow?: boolean; tail?: string; namespace?: string }) => {
      const { logs } = await import('./logs-run.ts');
      await logs(context(), name, options);
    });
}
