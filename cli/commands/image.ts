// vvm image: root filesystems and kernels in the cache.
import type { Command } from 'commander';
import type { Context } from '../context.ts';
import type { BuildOptions } from './image-run.ts';
import { collect } from './parse-options.ts';

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
    .option('--authfile <path>', 'credentials for its registry, as in docker’s config.json, - for standard input')
    .addHelpText(
      'after',
      `
Examples:
  vvm image pull tvm/node
  vvm image pull ubuntu:20.04
  vvm image pull ghcr.io/owner/private:1 --authfile ~/.docker/config.json`,
    )
    .action(async (reference: string, options: { authfile?: string }) => {
      await (await run()).pull(context(), reference, options);
    });
  image
    .command('list')
    .description('Shows the images in the cache.')
    .option('-o, --output <format>', 'table, wide, json, yaml or name', 'table')
    .option('--json', 'the same as -o json')
    .addHelpText('after', '\nExamples:\n  vvm image list\n  vvm image list --json | jq .items[].digest')
    .action(async (options: { output: string; json?: boolean }) => {
      await (await run()).list(context(), options.json ? 'json' : options.output);
    });
  image
    .command('rm')
    .description('Forgets images: the next use pulls anew. A machine that uses one keeps it.')
    .argument('<REFERENCE...>', 'images, as the list names them')
    .addHelpText('after', '\nExamples:\n  vvm image rm ubuntu:20.04')
    .action(async (references: string[]) => (await run()).remove(context(), references));
  image
    .command('prune')
    .description(
      'Removes what nothing uses, the least recently used first, until the budget (TVM_IMAGE_CACHE_MIB) is kept.',
    )
    .option('--all', 'all that no machine, template or snapshot uses')
    .addHelpText('after', '\nExamples:\n  vvm image prune\n  vvm image prune --all')
    .action(async (options: { all?: boolean }) => (await run()).prune(context(), options));
  image
    .command('build')
    .description(
      'Builds an image on this host: from a folder with a Dockerfile (with buildah), an OCI layout, an archive of an ' +
        'image, or a root filesystem as a folder or tar archive.',
    )
    .argument('<SOURCE>', 'the folder or archive; of a layout with several images LAYOUT:TAG')
    .requiredOption('-t, --tag <name>', 'its name; localhost/NAME:TAG is what machines ask for')
    .option('-f, --file <path>', 'a Dockerfile that is not in the folder')
    .option('-e, --env <name=value>', 'environment of its programs; may be repeated', collect)
    .option('--user <name>', 'user of its programs')
    .option('--workdir <path>', 'folder that its programs start in')
    .option('--entrypoint <json>', 'a program, or a JSON array of one and its arguments')
    .option('--cmd <json>', 'arguments of the entrypoint, one or a JSON array')
    .addHelpText(
      'after',
      `
Examples:
  vvm image build . -t demo && vvm create --image localhost/demo
  vvm image build rootfs.tar.gz -t tools:1 --workdir /srv --user app`,
    )
    .action(async (source: string, options: BuildOptions) => (await run()).build(context(), source, options));
  image
    .command('build-kernel')
    .description('Builds the guest kernel from source (10 to 30 minutes), which boots faster than the ready-made one.')
    .addHelpText('after', '\nExamples:\n  vvm image build-kernel')
    .action(async () => (await run()).buildKernel(context()));
}
