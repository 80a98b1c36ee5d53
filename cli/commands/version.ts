// vvm version.
import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { productVersion } from '../version.ts';

export function defineVersion(program: Command, context: () => Context): void {
  program
    .command('version')
    .summary('print the version')
    .description('Prints the version.')
    .addHelpText('after', '\nExamples:\n  vvm version')
    .action(async () => await context().stdout.write(`vvm ${productVersion()}\n`));
}
