// What a node starts with so that it needs no network: parts of one cache, carried in a container image to another cache.
// Invariant: a part appears in the receiving cache whole or not at all, and one that is there already is left alone.
import { copyFile, cp, link, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';
import { makeCache } from './cache.ts';
import type { Progress } from './contract.ts';
import { makeAgents } from './kernel/agent.ts';
import { type ImageStoreDeps, makeImageStore } from './store.ts';

const listFile = 'seed.json';
const referencesFolder = 'images/references';

/** Folders relative to the cache; references are small files that name some of them. */
const seedSchema = z.object({ folders: z.array(z.string()), references: z.array(z.string()) });

export interface GatherOptions {
  /** The seed's folder; on the file system of the cache, whose files it shares. Replaced when it exists. */
  folder: string;
  /** Default images to carry: `tvm/python`. */
  references: string[];
  onProgress: Progress;
}

/** Fills a seed with kernel, agent and images; what the cache lacks is made first. */
export async function gatherSeed(
  deps: ImageStoreDeps,
  { folder, references, onProgress }: GatherOptions,
): Promise<void> {
  const cache = makeCache(deps.cacheDir);
  const store = makeImageStore(deps);
  const guestSourceDir = deps.guestSourceDir ?? fileURLToPath(new URL('../guest', import.meta.url));
  const agent = await makeAgents(cache, guestSourceDir)(onProgress, new AbortController().signal);
  const boot = await store.bootFiles(onProgress);
  const paths = [agent, boot.kernelPath, boot.initrdPath];
  for (const reference of references) paths.push((await store.ensure(reference, onProgress)).path);
  const folders = [...new Set(paths.map((path) => relative(cache.path(), dirname(path))))];
  await rm(folder, { recursive: true, force: true });
  for (const each of folders) await linkTree(cache.path(each), join(folder, each));
  const names = await referenceFilesOf(cache.path(referencesFolder), references);
  await mkdir(join(folder, referencesFolder), { recursive: true });
  for (const name of names) await copyFile(cache.path(referencesFolder, name), join(folder, referencesFolder, name));
  await writeFile(join(folder, listFile), JSON.stringify({ folders, references: names }));
}

/** Brings a seed's parts into the cache, which several processes may share. */
export async function installSeed(folder: string, cacheDir: string): Promise<void> {
  const cache = makeCache(cacheDir);
  const seed = seedSchema.parse(JSON.parse(await readFile(join(folder, listFile), 'utf8')));
  for (const each of seed.folders) {
    if (await exists(cache.path(each))) continue;
    await using staging = await cache.staging();
    await cp(join(folder, each), staging.path, { recursive: true, preserveTimestamps: true });
    await cache.publish(staging, each);
  }
  await mkdir(cache.path(referencesFolder), { recursive: true });
  for (const name of seed.references) {
    await using staging = await cache.staging();
    await copyFile(join(folder, referencesFolder, name), join(staging.path, name));
    await rename(join(staging.path, name), cache.path(referencesFolder, name));
  }
}

async function linkTree(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) await linkTree(source, target);
    else await link(source, target);
  }
}

async function referenceFilesOf(folder: string, references: string[]): Promise<string[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.json'));
  const named = await Promise.all(
    names.map(async (name) => {
      const { reference } = JSON.parse(await readFile(join(folder, name), 'utf8')) as { reference?: string };
      return { name, reference: reference ?? '' };
    }),
  );
  return named.filter(({ reference }) => references.includes(reference)).map(({ name }) => name);
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
