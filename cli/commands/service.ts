// vvm up, down, status: the one-machine service.
import type { Command } from 'commander';
import type { Context } from '../context.ts';
import { namespaceOption } from './namespace-option.ts';

export function defineUp(program: Command, context: () => Context): void {
  program
    .command('up')
    .summary('start the service of this machine')
    .description('Starts the service (API server, flintlock, lime-ctrl) in the background; fine when it runs already.')
    .addHelpText(
      'after',
      `
Addresses: TVM_APISERVER_LISTEN (127.0.0.1:6443), TVM_LIME_LISTEN (127.0.0.1:8082), TVM_METRICS_LISTEN (127.0.0.1:8080),
TVM_HEALTH_LISTEN (127.0.0.1:8081); port 0 takes any free one. State: TVM_HOME. Images and kernels: TVM_CACHE_DIR.

Examples:
  vvm up
  TVM_LIME_LISTEN=127.0.0.1:0 vvm up`,
    )
    .action(async () => {
      const { up } = await import('./service-run.ts');
      await up(context());
    });
}

export function defineDown(program: Command, context: () => Context): void {
  program
    .command('down')
    .summary('stop the service and every machine')
    .description(
      'Stops the service and every machine. Declared MicroVMs stay declared: the next "vvm up" starts them anew.',
    )
    .option('--purge', 'delete all state too (objects, tokens, logs); images and kernels stay in the cache')
    .addHelpText(
      'after',
      `
Examples:
  vvm down
  vvm down --purge`,
    )
    .action(async (options: { purge?: boolean }) => {
      const { down } = await import('./service-run.ts');
      await down(context(), options.purge === true);
    });
}

export function defineStatus(program: Command, context: () => Context): void {
  program
    .command('status')
    .summary('show what runs')
    .description(
      'Shows the parts of the service, nodes, waiting machines and MicroVMs; with TVM_SERVER those of that server. Exit code 1 when nothing runs.',
    )
    .addOption(namespaceOption('namespace of the MicroVMs'))
    .option('-o, --output <format>', 'json or yaml')
    .addHelpText(
      'after',
      `
Examples:
  vvm status
  vvm status -o json | jq .service.url`,
    )
    .action(async (options: { output?: string; namespace?: string }) => {
      const { status } = await import('./status-run.ts');
      await status(context(), options);
    });
}
