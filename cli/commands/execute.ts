// vvm execute: a piece of code, once, in a machine of its own.
import type { Command } from 'commander';
import type { Context } from '../context.ts';
import type { ExecuteOptions } from './execute-request.ts';
import { namespaceOption } from './namespace-option.ts';
import { allowHelp, egressHelp } from './network-options.ts';
import { limitHelp, pullSecretHelp } from './parse-limits.ts';
import { collect } from './parse-options.ts';

export function defineExecute(program: Command, context: () => Context): void {
  program
    .command('execute')
    .summary('run code once, in a machine of its own')
    .description("Runs code once in a fresh machine, which is gone afterwards. The exit code is the guest's.")
    .argument('[CODE]', 'source text, or - to read it from standard input')
    .argument('[ARGS...]', 'arguments of the program, after --')
    .option(
      '-f, --file <path>',
      'a file with the code (its suffix or first line tells the language), - for standard input',
    )
    .option('-l, --language <name>', 'python, node or bash (default: python)')
    .option('--image <reference>', 'image to start from (default: the one of the language)')
    .option('--cpu <count>', 'virtual CPUs (default: 1)')
    .option('--memory <size>', 'memory in MB, or 512M, 2G (default: 256)')
    .option('--egress <policy>', egressHelp)
    .option('--allow <what>', allowHelp, collect)
    .option('--limit <name=number>', limitHelp, collect)
    .option('--pull-secret <name>', pullSecretHelp, collect)
    .option('--timeout <time>', 'end the run after this: seconds, or 90s, 5m (default: 60)')
    .option('-e, --env <name=value>', 'set a variable; NAME alone hands on yours; may be repeated', collect)
    .addOption(namespaceOption('namespace that the run is in: whose rights and quota it takes'))
    .option('--json', 'print one JSON object: exit code, output, machine')
    .addHelpText(
      'after',
      `
Exit codes: the guest's own; 124 time was up; 125 the product failed; 2 wrong usage; 130 left with a second Ctrl-C.

Examples:
  vvm execute "print('Hello from Firecracker!')"
  vvm execute --language node "console.log(process.version)"
  echo hello | vvm execute --language bash "tr a-z A-Z"
  vvm execute -f script.py --timeout 5m -- --some argument
  vvm execute --image ubuntu:20.04 --language bash "cat /etc/os-release"
  vvm execute --json "print(6 * 7)" | jq .stdout`,
    )
    .action(async (code: string | undefined, args: string[], options: ExecuteOptions) => {
      const { executeOnce } = await import('./execute-run.ts');
      await executeOnce(context(), [...(code === undefined ? [] : [code]), ...args], options);
    });
}
