// vvm image: root filesystems and kernels in the cache.
import type { Command } from 'commander';
import type { Context } from '../context.ts';

const run = () => import('./image-run.ts');

export function defineImage(program: Command, context: () => Context): void {
  const image = program
    .command('image')
    .summary('images and kernels in the cache')
    .description('Images and kernels in the cache.');
  image
    .command('pull')
    .description('Makes sure that an image is in the cache.')
    .argument('<REFERENCE>', 'tvm/python, tvm/node, or an OCI image')
    .addHelpText('after', '\nExamples:\n  vvm image pull tvm/node\n  vvm image pull ubuntu:20.04')
    .action(async (reference: string) => (await run()).pull(context(), reference));
  image
    .command('list')
    .description('Shows the images in the cache.')
    .option('-o, --output <format>', 'table, wide, json, yaml or name', 'table')
    .addHelpText('after', '\nExamples:\n  vvm image list')
    .action(async (options: { output: string }) => (await run()).list(context(), options.output));
  image
    .command('build-kernel')
    .description('Builds the guest kernel from source (10 to 30 minutes), which boots faster than the ready-made one.')
    .addHelpText('after', '\nExamples:\n  vvm image build-kernel')
    .action(async () => (await run()).buildKernel(context()));
}
