// The folder that a container image is built from: modules/, sources/, node and, for a node agent, seed/.
// Invariant: it holds what the image holds and nothing else, with the times of the originals, so that layers are found again.
import { existsSync } from 'node:fs';
import { cp, link, mkdir, rm, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { compilePrivateMemory } from '@tvm/flintlock/confinement/private-memory.ts';
import { ensurePager } from '@tvm/flintlock/vmm/firecracker/pager.ts';
import { gatherSeed } from '@tvm/images/seed.ts';
import type { Logger } from '@tvm/kit/log.ts';
import { productionModules } from './modules.ts';
import { isLeftOut, type Part } from './parts.ts';

export interface ContextOptions {
  /** The checkout. */
  root: string;
  cacheDir: string;
  log: Logger;
  say(line: string): void;
}

/** Makes the folder anew and gives its path. */
export async function prepareContext(part: Part, options: ContextOptions): Promise<string> {
  const { root, cacheDir, log, say } = options;
  const context = join(cacheDir, 'container-images', part.name);
  await rm(context, { recursive: true, force: true });
  await mkdir(context, { recursive: true });
  for (const source of part.sources) {
    await copyTree(join(root, source), join(context, 'sources', source), (path) => !isLeftOut(path.slice(root.length)));
  }
  await copyTree(join(root, 'package.json'), join(context, 'sources/package.json'), () => true);
  for (const folder of productionModules(root, part.sources)) {
    // Packages nested in it are listed by themselves, as far as they are needed; declarations and source maps are for editors.
    const isWanted = (path: string) =>
      !/\/node_modules\/|\.d\.[cm]?ts$|\.map$/.test(path.slice(join(root, folder).length));
    await copyTree(join(root, folder), join(context, placeOf(folder)), isWanted);
  }
  await compileLibrary(join(context, 'sources/flintlock/confinement/private-memory'));
  await compilePager(join(context, 'sources/flintlock/vmm/firecracker/pager'), options);
  await linkWorkspaces(context, part.sources);
  await linkOrCopy(join(root, 'node_modules/node/bin/node'), join(context, 'node'));
  if (part.seed) {
    const seed = { folder: join(context, 'seed'), references: part.seed, onProgress: say };
    await gatherSeed({ cacheDir, log }, seed);
  }
  return context;
}

/** The checkout's own packages are one layer; those of a single part lie below its sources. */
function placeOf(folder: string): string {
  return folder.startsWith('node_modules/') ? folder.replace(/^node_modules/, 'modules') : join('sources', folder);
}

/** `@tvm/api` is found in node_modules, as in a checkout. */
async function linkWorkspaces(context: string, sources: string[]): Promise<void> {
  await mkdir(join(context, 'modules/@tvm'), { recursive: true });
  for (const source of sources.filter((each) => !each.includes('/')))
    await symlink(`../../${source}`, join(context, 'modules/@tvm', source));
}

/** There is no compiler in an image. */
async function compileLibrary(path: string): Promise<void> {
  if (!existsSync(`${path}.c`)) return;
  await compilePrivateMemory(`${path}.c`, `${path}.so`);
}

async function compilePager(folder: string, { cacheDir, say }: ContextOptions): Promise<void> {
  if (!existsSync(folder)) return;
  const program = await ensurePager(cacheDir, say, new AbortController().signal);
  await cp(program, join(folder, 'tvm-pager'), { preserveTimestamps: true });
}

async function copyTree(from: string, to: string, filter: (path: string) => boolean): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  await cp(from, to, { recursive: true, preserveTimestamps: true, dereference: true, filter });
}

/** A hundred megabytes need not be copied on one file system. */
async function linkOrCopy(from: string, to: string): Promise<void> {
  await link(from, to).catch(() => cp(from, to, { preserveTimestamps: true }));
}
