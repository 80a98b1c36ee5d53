// vvm kubectl: an ordinary kubectl with this installation's settings.
import type { Command } from 'commander';
import type { Context } from '../context.ts';

export function defineKubectl(program: Command, context: () => Context): void {
  program
    .command('kubectl')
    .summary('run kubectl against the service')
    .description('Runs your kubectl with KUBECONFIG set to the service. Everything after it is handed on.')
    .argument('[ARGS...]', 'arguments of kubectl')
    .allowUnknownOption()
    .passThroughOptions()
    .helpOption(false)
    .addHelpText(
      'after',
      '\nExamples:\n  vvm kubectl get microvms\n  vvm kubectl apply -f deploy/examples/microvm.yaml',
    )
    .action(async (args: string[]) => {
      const { kubectl } = await import('./kubectl-run.ts');
      await kubectl(context(), args);
    });
}
