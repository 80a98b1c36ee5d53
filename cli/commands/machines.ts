// vvm create, get, list, delete, start, stop, pause, resume: machines that stay.
import type { Command } from 'commander';
import type { Context } from '../context.ts';
import type { MachineAction } from './machine-client.ts';
import type { CreateOptions, WaitOptions } from './machines-run.ts';
import { namespaceOption } from './namespace-option.ts';
import { allowHelp, egressHelp } from './network-options.ts';
import { limitHelp, pullSecretHelp } from './parse-limits.ts';
import { collect } from './parse-options.ts';

const run = () => import('./machines-run.ts');

export function defineCreate(program: Command, context: () => Context): void {
  program
    .command('create')
    .summary('make a machine that stays')
    .description('Declares a MicroVM and waits until it runs.')
    .argument('[NAME]', 'its name (default: a generated one)')
    .argument('[COMMAND...]', 'a program to run in it, after --; the machine ends with it')
    .option('--image <reference>', 'tvm/python, tvm/node, or an OCI image such as ubuntu:20.04', 'tvm/python')
    .option('--cpu <count>', 'virtual CPUs', '1')
    .option('--memory <size>', 'memory in MB, or 512M, 2G', '256')
    .option('-e, --env <name=value>', 'set a variable for all its programs; may be repeated', collect)
    .option('--pull-secret <name>', pullSecretHelp, collect)
    .option('--egress <policy>', egressHelp)
    .option('--allow <what>', allowHelp, collect)
    .option('--label <name=value>', 'label of the object; may be repeated', collect)
    .option('--disk <disk>', 'name=data,size=1G,mount=/data[,retain]: a disk that stays; may be repeated', collect)
    .option('--limit <name=number>', limitHelp, collect)
    .option('--run-entrypoint', "run the image's own entrypoint and cmd; the machine ends with them")
    .option('--mcp', 'let MCP sessions be bound to it')
    .option('--ttl <time>', 'delete it after this: seconds, or 90s, 5m, 2h')
    .option('--idle-timeout <time>', 'do --on-idle when it was not used for this long')
    .option('--on-idle <what>', 'pause (until it is used again), stop or delete (default: pause)')
    .addOption(namespaceOption())
    .option('--no-wait', 'do not wait until it runs')
    .option('--timeout <time>', 'wait at most this long', '5m')
    .option('-o, --output <format>', 'table, wide, json, yaml or name', 'name')
    .addHelpText(
      'after',
      `
Examples:
  vvm create demo
  vvm create demo --image ubuntu:20.04 --cpu 2 --memory 1G
  vvm create slow --limit cpuPercent=50 --limit processes=64
  vvm create web --image nginx:1.27 --run-entrypoint
  vvm create work --disk name=data,size=2G,mount=/data,retain
  vvm create job --env MODE=fast -- python3 -c "print('done')"`,
    )
    .action(async (name: string | undefined, command: string[], options: CreateOptions) => {
      await (await run()).create(context(), name, command, options);
    });
}

export function defineGet(program: Command, context: () => Context): void {
  program
    .command('get')
    .summary('show one machine')
    .description('Shows one machine.')
    .argument('<NAME>', 'the machine')
    .addOption(namespaceOption())
    .option('-o, --output <format>', 'table, wide, json, yaml or name', 'table')
    .addHelpText('after', '\nExamples:\n  vvm get demo\n  vvm get demo -o yaml')
    .action(async (name: string, options: { namespace?: string; output: string }) => {
      await (await run()).get(context(), name, options);
    });
}

export function defineList(program: Command, context: () => Context): void {
  program
    .command('list')
    .alias('ls')
    .summary('show all machines')
    .description('Shows all machines of a namespace.')
    .addOption(namespaceOption())
    .option('-A, --all-namespaces', 'of all namespaces')
    .option('-o, --output <format>', 'table, wide, json, yaml or name', 'table')
    .addHelpText('after', '\nExamples:\n  vvm list\n  vvm list -A -o wide\n  vvm list -o name | xargs vvm delete')
    .action(async (options: { namespace?: string; allNamespaces?: boolean; output: string }) => {
      await (await run()).list(context(), options);
    });
}

export function defineDelete(program: Command, context: () => Context): void {
  program
    .command('delete')
    .alias('rm')
    .summary('delete machines')
    .description('Deletes machines and waits until they are gone.')
    .argument('<NAME...>', 'the machines')
    .addOption(namespaceOption())
    .option('--no-wait', 'do not wait until they are gone')
    .option('--timeout <time>', 'wait at most this long', '60')
    .addHelpText('after', '\nExamples:\n  vvm delete demo\n  vvm delete one two --no-wait')
    .action(async (names: string[], options: WaitOptions) => {
      await (await run()).remove(context(), names, options);
    });
}

const actions: Record<MachineAction, string> = {
  start: 'start a machine that is stopped',
  stop: 'stop a machine; it stays declared',
  pause: 'halt a machine with its memory kept',
  resume: 'go on with a machine that is paused',
};

export function defineAction(action: MachineAction): (program: Command, context: () => Context) => void {
  return (program, context) => {
    program
      .command(action)
      .summary(actions[action])
      .description(`${actions[action][0]?.toUpperCase()}${actions[action].slice(1)}. Waits until it is so.`)
      .argument('<NAME>', 'the machine')
      .addOption(namespaceOption())
      .option('--no-wait', 'do not wait')
      .option('--timeout <time>', 'wait at most this long', '2m')
      .addHelpText('after', `\nExamples:\n  vvm ${action} demo`)
      .action(async (name: string, options: WaitOptions) => {
        await (await run()).change(context(), name, action, options);
      });
  };
}
