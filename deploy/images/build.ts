// Builds the container images with whatever builds them on this machine. Without a base image of a registry one is made from
// Debian's packages.
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { TvmError } from '@tvm/api/errors.ts';
import { makeDebianRoot } from '@tvm/images/debian/mmdebstrap.ts';
import { timedProgress } from '@tvm/images/progress.ts';
import { runChecked, runCommand } from '@tvm/images/run-command.ts';
import { findTool } from '@tvm/images/tools.ts';
import { type ContextOptions, prepareContext } from './context.ts';
import {
  buildCommand,
  type EngineName,
  engineNames,
  identityCommand,
  pushCommand,
  removeCommand,
  saveCommand,
} from './engine.ts';
import type { Part } from './parts.ts';

export interface BuildOptions extends ContextOptions {
  engine: EngineName;
  /** What image names begin with: `localhost/tvm`, `registry.example.com/tvm`. */
  prefix: string;
  tag: string;
  /** A Debian image of a registry; undefined: one is made. */
  base: string | undefined;
}

const timeoutMs = 30 * 60_000;
const signal = new AbortController().signal;

/** The first engine that is installed; TvmError `failed_precondition` when there is none. */
export function findEngine(): EngineName {
  const found = engineNames.find((name) => findTool(name));
  if (found) return found;
  throw new TvmError('failed_precondition', `none of ${engineNames.join(', ')} is installed`, {
    hint: 'On Debian: apt-get install buildah',
  });
}

/** Builds one part's image and gives its name. */
export async function buildImage(part: Part, base: string, options: BuildOptions): Promise<string> {
  const { engine, prefix, tag, root } = options;
  const image = `${prefix}/${part.name}:${tag}`;
  using progress = timedProgress(part.name, options.say);
  progress.say('collecting files');
  const context = await prepareContext(part, { ...options, say: progress.say });
  progress.say('building the image');
  const dockerfile = join(root, 'deploy/images', part.name, 'Dockerfile');
  const previous = await identityOf(engine, image);
  await run(engine, buildCommand(engine, { image, dockerfile, context, arguments: { BASE: base } }), progress.say);
  await rm(context, { recursive: true, force: true });
  if (previous !== undefined && previous !== (await identityOf(engine, image))) await forget(engine, previous);
  progress.say(`built ${image}`);
  return image;
}

/** The name of the base image, which is made when there is none of this host's Debian release yet. */
export async function ensureBase(options: BuildOptions): Promise<string> {
  if (options.base) return options.base;
  const { engine, cacheDir, root } = options;
  const release = /^VERSION_CODENAME=(.*)$/m.exec(await readFile('/etc/os-release', 'utf8'))?.[1] ?? 'debian';
  const image = `localhost/tvm/base:${release}`;
  if ((await identityOf(engine, image)) !== undefined) return image;
  using progress = timedProgress('base', options.say);
  progress.say('making a Debian from packages');
  const context = join(cacheDir, 'container-images', 'base');
  await rm(context, { recursive: true, force: true });
  await mkdir(context, { recursive: true });
  await makeBaseArchive(context, progress.say);
  const dockerfile = join(root, 'deploy/images/base/Dockerfile');
  await run(engine, buildCommand(engine, { image, dockerfile, context, arguments: {} }), progress.say);
  await rm(context, { recursive: true, force: true });
  return image;
}

async function makeBaseArchive(context: string, say: (line: string) => void): Promise<void> {
  const definition = {
    reference: 'base',
    packages: ['ca-certificates'],
    config: { env: {}, user: '', workdir: '', entrypoint: [], cmd: [] },
  };
  const folder = join(context, 'root');
  await makeDebianRoot(definition, { root: folder, workDir: context }, say, signal);
  const archive = join(context, 'root.tar');
  await runChecked({ program: 'tar', args: ['-C', folder, '--numeric-owner', '-cf', archive, '.'], timeoutMs });
  await rm(folder, { recursive: true, force: true });
}

async function identityOf(engine: EngineName, image: string): Promise<string | undefined> {
  const { exitCode, stdout } = await runCommand({ program: engine, args: identityCommand(image), timeoutMs });
  return (exitCode === 0 && stdout.toString().trim().split('\n')[0]) || undefined;
}

/** What the new image replaces only takes space. One that a container uses stays, which the engine says by an exit code. */
async function forget(engine: EngineName, identity: string): Promise<void> {
  await runCommand({ program: engine, args: removeCommand(identity), timeoutMs });
}

export async function saveImage(engine: EngineName, image: string, archive: string): Promise<void> {
  await rm(archive, { force: true });
  await runChecked({ program: engine, args: saveCommand(engine, image, archive), timeoutMs });
}

export async function pushImage(engine: EngineName, image: string): Promise<void> {
  await runChecked({ program: engine, args: pushCommand(image), timeoutMs });
}

async function run(engine: EngineName, args: string[], say: (line: string) => void): Promise<void> {
  const onLine = (line: string) => {
    const step = /^(?:STEP|Step) (\d+\/\d+): (.{0,60})/.exec(line);
    if (step) say(`step ${step[1]} ${step[2]}`);
  };
  await runChecked({ program: engine, args, timeoutMs, onLine });
}
