// vvm pool: machines that wait, so that nobody waits for one.
import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { namespaceOption } from './namespace-option.ts';
import { limitHelp, pullSecretHelp } from './parse-limits.ts';
import { collect } from './parse-options.ts';
import type { CreatePoolOptions, PoolOptions, ScaleOptions } from './pool-run.ts';

const run = () => import('./pool-run.ts');

export function definePool(program: Command, context: () => Context): void {
  const pool = program
    .command('pool')
    .summary('machines that wait to be claimed')
    .description('Machines that wait; an execute of the same image and size takes one of them.');
  pool
    .command('list')
    .alias('ls')
    .description('Shows all pools of a namespace.')
    .addOption(namespaceOption())
    .option('-o, --output <format>', 'table, wide, json, yaml or name', 'table')
    .addHelpText('after', '\nExamples:\n  vvm pool list')
    .action(async (options: PoolOptions & { output: string }) => (await run()).list(context(), options));
  pool
    .command('create')
    .description('Declares a pool.')
    .argument('<NAME>', 'its name')
    .option('--image <reference>', 'tvm/python, tvm/node, or an OCI image such as ubuntu:20.04', 'tvm/python')
    .option('--cpu <count>', 'virtual CPUs', '1')
    .option('--memory <size>', 'memory in MB, or 512M, 2G', '256')
    .option('--limit <name=number>', limitHelp, collect)
    .option('--pull-secret <name>', pullSecretHelp, collect)
    .option('--min <count>', 'this many wait at least', '1')
    .option('--max <count>', 'this many wait at most (default: 8 more than --min)')
    .addOption(namespaceOption())
    .addHelpText(
      'after',
      '\nExamples:\n  vvm pool create busy --min 4\n  vvm pool create large --memory 1G --min 1 --max 2',
    )
    .action(async (name: string, options: CreatePoolOptions) => (await run()).create(context(), name, options));
  pool
    .command('scale')
    .description('Changes how many machines of a pool wait.')
    .argument('<NAME>', 'the pool')
    .option('--min <count>', 'this many wait at least')
    .option('--max <count>', 'this many wait at most')
    .addOption(namespaceOption())
    .addHelpText('after', '\nExamples:\n  vvm pool scale busy --min 10 --max 20')
    .action(async (name: string, options: ScaleOptions) => (await run()).scale(context(), name, options));
  pool
    .command('delete')
    .alias('rm')
    .description('Deletes pools; their machines go.')
    .argument('<NAME...>', 'the pools')
    .addOption(namespaceOption())
    .addHelpText('after', '\nExamples:\n  vvm pool delete busy')
    .action(async (names: string[], options: PoolOptions) => (await run()).remove(context(), names, options));
}
