// vvm cp: files and folders between this machine and a guest.
import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { namespaceOption } from './namespace-option.ts';

export function defineCopy(program: Command, context: () => Context): void {
  program
    .command('cp')
    .summary('copy files into or out of a machine')
    .description(
      'Copies a file or a whole folder, with modes and times. One side is NAME:/PATH, the other a local path.',
    )
    .argument('<SOURCE>', 'a local path, or NAME:/PATH')
    .argument('<TARGET>', 'a local path, or NAME:/PATH; a folder that exists gets the source inside it')
    .addOption(namespaceOption('namespace of the machine'))
    .addHelpText(
      'after',
      `
A guest cannot write outside the target: names and links that would are refused, and set-user-id bits are dropped.
Links are copied out of a machine when they stay inside the copied folder; into a machine they are skipped, with a word.

Examples:
  vvm cp ./data demo:/root/data
  vvm cp demo:/var/log/app.log .`,
    )
    .action(async (source: string, target: string, options: { namespace?: string }) => {
      const { copy } = await import('./copy-run.ts');
      await copy(context(), source, target, options.namespace);
    });
}
