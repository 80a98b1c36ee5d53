// vvm exec: a program in a machine that stays.
import type { Command } from 'commander';
import type { Context } from '../context.ts';
import type { ExecOptions } from './exec-run.ts';
import { namespaceOption } from './namespace-option.ts';
import { collect } from './parse-options.ts';

export function defineExec(program: Command, context: () => Context): void {
  program
    .command('exec')
    .summary('run a program in a machine')
    .description(
      "Runs a program in a running machine. The exit code is the program's. A lost connection is attached again.",
    )
    .argument('<NAME>', 'the machine')
    .argument('<COMMAND...>', 'the program and its arguments, after --')
    .option('-i, --interactive', 'give it standard input')
    .option('-t, --tty', 'give it a terminal')
    .addOption(namespaceOption('namespace of the machine'))
    .option('-e, --env <name=value>', 'set a variable; NAME alone hands on yours; may be repeated', collect)
    .option('-u, --user <name>', 'run as this user of the guest')
    .option('-w, --workdir <path>', 'start in this folder of the guest')
    .option('--timeout <time>', 'end the program after this: seconds, or 90s, 5m')
    .addHelpText(
      'after',
      `
Exit codes: the program's own; 124 time was up; 125 the product failed; 126 the program cannot be run; 127 there is no
such program; 2 wrong usage.

Examples:
  vvm exec demo -- uname -a
  vvm exec -it demo -- bash
  echo hello | vvm exec -i demo -- tr a-z A-Z
  vvm exec -u nobody -w /tmp demo -- id`,
    )
    .action(async (name: string, command: string[], options: ExecOptions) => {
      const { execIn } = await import('./exec-run.ts');
      await execIn(context(), name, command, options);
    });
}
