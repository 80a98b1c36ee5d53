// OCI images as root filesystems. A reference that the cache has is not asked for again; remove it to pull anew.
import { join } from 'node:path';
import { TvmError } from '@tvm/api/errors.ts';
import type { Cache } from '../cache.ts';
import type { Progress, RootImage } from '../contract.ts';
import type { RootSource } from '../debian/debian-root.ts';
import { keyOf } from '../digest.ts';
import { parseReference } from '../reference.ts';
import { type RootCatalog, rootFileName } from '../root-catalog.ts';
import { makeSquashfs } from '../squashfs.ts';
import { requireRoot, requireTool } from '../tools.ts';
import { defaultLimits, type OciLimits } from './limits.ts';
import { fetchImage, type ResolvedImage, resolveImage } from './registry.ts';
import { readLayout, unpackLayout } from './unpack.ts';

/** Raised when roots are made differently from the same image. */
const recipeVersion = 'oci-1';
const tools = ['skopeo', 'umoci', 'mksquashfs', 'prlimit'];

interface Deps {
  cache: Cache;
  catalog: RootCatalog;
  limits?: OciLimits;
}

export function makeOciRoots({ cache, catalog, limits = defaultLimits }: Deps): RootSource {
  async function pull(text: string, onProgress: Progress, signal: AbortSignal): Promise<RootImage> {
    for (const tool of tools) requireTool(tool);
    requireRoot(`unpacking ${text}`);
    const reference = parseReference(text);
    if (reference.kind !== 'oci') throw new TvmError('internal', `${text} is not an OCI reference`);
    onProgress('asking the registry');
    const image = await resolveImage(reference, limits, signal);
    await using scratch = await cache.staging();
    const layoutDir = join(scratch.path, 'layout');
    await fetchImage(reference, image, layoutDir, limits, onProgress, signal);
    return await makeRoot(text, image, { scratch: scratch.path, layout: layoutDir }, onProgress, signal);
  }

  async function makeRoot(
    reference: string,
    image: ResolvedImage,
    folders: { scratch: string; layout: string },
    onProgress: Progress,
    signal: AbortSignal,
  ): Promise<RootImage> {
    await using staging = await cache.staging();
    const root = join(folders.scratch, 'root');
    onProgress('unpacking');
    const layout = await readLayout(folders.layout);
    await unpackLayout(layout, root, limits, signal);
    onProgress('packing the root filesystem');
    await makeSquashfs(root, join(staging.path, rootFileName), [], signal);
    const { digest } = image;
    const { config } = layout;
    return await catalog.add({ reference, key: recipeVersion, digest, createdAtMs: Date.now(), config }, staging);
  }

  return {
    find: (reference) => catalog.find(reference, recipeVersion),
    ensure: (reference, onProgress, signal) =>
      cache.locked(`image-${keyOf(reference)}`, signal, async () => {
        const found = await catalog.find(reference, recipeVersion);
        return found ?? (await pull(reference, onProgress, signal));
      }),
  };
}
