// vvm snapshot: the memory, devices and disk of a machine at one moment.
import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { namespaceOption } from './namespace-option.ts';
import { collect } from './parse-options.ts';
import type { CreateSnapshotOptions, DeleteSnapshotOptions, RestoreOptions } from './snapshot-run.ts';

const run = () => import('./snapshot-run.ts');

export function defineSnapshot(program: Command, context: () => Context): void {
  const snapshot = program
    .command('snapshot')
    .summary('snapshots of machines')
    .description('The memory, devices and disk of machines at one moment.');
  defineCreate(snapshot, context);
  snapshot
    .command('list')
    .alias('ls')
    .description('Shows all snapshots of a namespace.')
    .addOption(namespaceOption())
    .option('-o, --output <format>', 'table, wide, json, yaml or name', 'table')
    .addHelpText('after', '\nExamples:\n  vvm snapshot list\n  vvm snapshot list -o json')
    .action(async (options: { namespace?: string; output: string }) => (await run()).list(context(), options));
  defineRestore(snapshot, context);
  snapshot
    .command('delete')
    .alias('rm')
    .description('Deletes snapshots and waits until they are gone. Machines that were started from them go on.')
    .argument('<NAME...>', 'the snapshots')
    .addOption(namespaceOption())
    .option('--no-wait', 'do not wait until they are gone')
    .option('--timeout <time>', 'wait at most this long', '60')
    .addHelpText('after', '\nExamples:\n  vvm snapshot delete before-upgrade')
    .action(async (names: string[], options: DeleteSnapshotOptions) => (await run()).remove(context(), names, options));
}

function defineCreate(snapshot: Command, context: () => Context): void {
  snapshot
    .command('create')
    .description(
      'Snapshots a running or paused machine, which goes on afterwards, and waits until the snapshot is there.',
    )
    .argument('<MACHINE>', 'the machine')
    .argument('[NAME]', 'name of the snapshot (default: a generated one)')
    .option('--retain', 'leave its files on the node when the snapshot is deleted')
    .addOption(namespaceOption())
    .option('--no-wait', 'do not wait until it is there')
    .option('--timeout <time>', 'wait at most this long', '5m')
    .option('-o, --output <format>', 'table, wide, json, yaml or name', 'name')
    .addHelpText('after', '\nExamples:\n  vvm snapshot create demo\n  vvm snapshot create demo before-upgrade -o json')
    .action(async (machine: string, name: string | undefined, options: CreateSnapshotOptions) =>
      (await run()).create(context(), machine, name, options),
    );
}

function defineRestore(snapshot: Command, context: () => Context): void {
  snapshot
    .command('restore')
    .description('Makes a machine that continues a snapshot, and waits until it runs. The snapshot stays.')
    .argument('<SNAPSHOT>', 'the snapshot')
    .argument('[NAME]', 'name of the machine (default: a generated one)')
    .option('-e, --env <name=value>', 'set a variable for programs started from now on; may be repeated', collect)
    .option('--ttl <time>', 'delete it after this: seconds, or 90s, 5m, 2h')
    .addOption(namespaceOption())
    .option('--no-wait', 'do not wait until it runs')
    .option('--timeout <time>', 'wait at most this long', '5m')
    .option('-o, --output <format>', 'table, wide, json, yaml or name', 'name')
    .addHelpText(
      'after',
      '\nExamples:\n  vvm snapshot restore before-upgrade\n  vvm snapshot restore before-upgrade again --ttl 1h',
    )
    .action(async (name: string, machine: string | undefined, options: RestoreOptions) =>
      (await run()).restore(context(), name, machine, options),
    );
}
