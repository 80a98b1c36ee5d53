// Which root filesystems are used, told by the processes that use them, on disk: others that clean up must know, and what a
// node keeps outlives its process. Invariant: what an owner has told holds until it tells anew or its folder is gone.
import { access, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import type { Cache } from './cache.ts';
import { keyOf } from './digest.ts';

const usesSchema = z.object({ owner: z.string(), digests: z.array(z.string()) });

export interface ImageUses {
  /** `owner`: an absolute folder, by which the claim is known to be alive. Replaces what it told before. */
  declare(owner: string, digests: Iterable<string>): Promise<void>;
  /** Of all owners that are still there. */
  digests(): Promise<Set<string>>;
}

export function makeImageUses(cache: Cache): ImageUses {
  const folder = cache.path('images', 'uses');
  return {
    async declare(owner, digests) {
      await mkdir(folder, { recursive: true });
      const path = join(folder, `${keyOf(owner)}.json`);
      await writeFile(`${path}.new`, JSON.stringify({ owner, digests: [...new Set(digests)].sort() }));
      await rename(`${path}.new`, path);
    },
    async digests() {
      const names = await readdir(folder).catch(emptyWhenMissing);
      const files = names.filter((name) => name.endsWith('.json')).map((name) => join(folder, name));
      return new Set((await Promise.all(files.map(readUses))).flat());
    },
  };
}

async function readUses(path: string): Promise<string[]> {
  const { owner, digests } = usesSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  if (await exists(owner)) return digests;
  await rm(path, { force: true });
  return [];
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}

function emptyWhenMissing(error: NodeJS.ErrnoException): string[] {
  if (error.code === 'ENOENT') return [];
  throw error;
}
