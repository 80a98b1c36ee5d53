// Default images: Debian roots made on this host. An image is made once for a definition and a suite, and kept until it is removed
// or its definition changes; newer packages alone do not remake it, so that machines of today equal those of yesterday.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TvmError } from '@tvm/api/errors.ts';
import type { Cache } from '../cache.ts';
import type { ImageAccess, Progress, RootImage } from '../contract.ts';
import { fileDigest, keyOf } from '../digest.ts';
import { type RootCatalog, rootFileName } from '../root-catalog.ts';
import { requireRootRights } from '../root-rights.ts';
import { makeSquashfs } from '../squashfs.ts';
import { requireTool } from '../tools.ts';
import { type DebianImage, debianImages, excludedPaths } from './definitions.ts';
import { makeDebianRoot } from './mmdebstrap.ts';

/** Raised when roots are made differently from the same definition. */
const recipeVersion = '1';

export interface RootSource {
  find(reference: string): Promise<RootImage | undefined>;
  ensure(reference: string, onProgress: Progress, signal: AbortSignal, access: ImageAccess): Promise<RootImage>;
  /** Throws `permission_denied` unless the caller may have what the cache has. */
  admit?(image: RootImage, access: ImageAccess, signal: AbortSignal): Promise<void>;
}

export function makeDebianRoots({ cache, catalog }: { cache: Cache; catalog: RootCatalog }): RootSource {
  async function make(image: DebianImage, key: string, onProgress: Progress, signal: AbortSignal): Promise<RootImage> {
    for (const tool of ['mmdebstrap', 'mksquashfs']) requireTool(tool);
    requireRootRights(`making ${image.reference}`);
    await using scratch = await cache.staging();
    await using staging = await cache.staging();
    const root = join(scratch.path, 'root');
    await makeDebianRoot(image, { root, workDir: scratch.path }, onProgress, signal);
    onProgress('packing the root filesystem');
    const file = join(staging.path, rootFileName);
    await makeSquashfs(root, file, ['dev/*', 'proc/*', 'sys/*', 'run/*', 'tmp/*'], signal);
    const digest = await fileDigest(file, signal);
    return await catalog.add(
      { reference: image.reference, key, digest, createdAtMs: Date.now(), config: image.config },
      staging,
    );
  }

  return {
    find: async (reference) => await catalog.find(reference, await definitionKey(definitionOf(reference))),
    async ensure(reference, onProgress, signal) {
      const image = definitionOf(reference);
      const key = await definitionKey(image);
      return await cache.locked(`image-${keyOf(reference)}`, signal, async () => {
        const found = await catalog.find(reference, key);
        return found ?? (await make(image, key, onProgress, signal));
      });
    },
  };
}

function definitionOf(reference: string): DebianImage {
  const image = debianImages.find((candidate) => candidate.reference === reference);
  if (!image) throw new TvmError('not_found', `no default image ${reference}`, { object: `image/${reference}` });
  return image;
}

async function definitionKey(image: DebianImage): Promise<string> {
  const hostRelease = await readFile('/etc/os-release', 'utf8');
  const codename = /^VERSION_CODENAME=.*$/m.exec(hostRelease)?.[0] ?? '';
  return keyOf(recipeVersion, JSON.stringify(image), excludedPaths.join(' '), codename);
}
