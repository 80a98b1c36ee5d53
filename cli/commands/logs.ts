// vvm logs: the console and command output of a machine.
import { type Command, Option } from 'commander';
import type { Context } from '../context.ts';
import type { LogOptions } from './logs-run.ts';
import { namespaceOption } from './namespace-option.ts';

export function defineLogs(program: Command, context: () => Context): void {
  program
    .command('logs')
    .summary('show the console and output of a machine')
    .description(
      'Shows what the machine wrote to its console, and the output of its command: the newest 1 to 2 MiB of both.',
    )
    .argument('<NAME>', 'the machine')
    .option('-f, --follow', 'go on until the machine ends')
    .option('--tail <lines>', 'only this many lines of the end')
    .option('--since <time>', 'only what is not older, such as 90s, 5m, 2h')
    .option('-t, --timestamps', 'the time before each line, in UTC')
    .addOption(
      new Option('--source <source>', 'only the console (kernel and agent), or what the command wrote').choices([
        'console',
        'stdout',
        'stderr',
      ]),
    )
    .addOption(namespaceOption('namespace of the machine'))
    .addHelpText(
      'after',
      '\nExamples:\n  vvm logs demo\n  vvm logs -f demo --tail 20\n  vvm logs demo --since 5m --timestamps --source stderr',
    )
    .action(async (name: string, options: LogOptions) => {
      const { logs } = await import('./logs-run.ts');
      await logs(context(), name, options);
    });
}
