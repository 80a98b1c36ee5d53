// An OCI layout in a staging folder to a root filesystem in the catalog: unpacked, packed, published.
import { join } from 'node:path';
import type { Cache } from '../cache.ts';
import type { ImageConfig, Progress, RootImage } from '../contract.ts';
import type { MakeRoom } from '../disk-space.ts';
import { type RootCatalog, rootFileName } from '../root-catalog.ts';
import { requireRootRights } from '../root-rights.ts';
import { makeSquashfs } from '../squashfs.ts';
import { requireTool } from '../tools.ts';
import type { OciLimits } from './limits.ts';
import { type Layout, unpackLayout } from './unpack.ts';

/** Raised when roots are made differently from the same image. */
export const recipeVersion = 'oci-1';
const tools = ['umoci', 'mksquashfs', 'prlimit', 'setpriv'];

export interface LayoutRootDeps {
  cache: Cache;
  catalog: RootCatalog;
  limits: OciLimits;
  makeRoom: MakeRoom;
}

export interface LayoutRoot {
  reference: string;
  digest: string;
  config: ImageConfig;
  restricted: boolean;
}

/** Throws `failed_precondition` when this host cannot unpack images. */
export function requireUnpacking(reference: string): void {
  for (const tool of tools) requireTool(tool);
  requireRootRights(`unpacking ${reference}`);
}

/** `folder`: holds the layout, and is written to. */
export async function addLayoutRoot(
  { cache, catalog, limits, makeRoom }: LayoutRootDeps,
  facts: LayoutRoot,
  { layout, folder }: { layout: Layout; folder: string },
  onProgress: Progress,
  signal: AbortSignal,
): Promise<RootImage> {
  await using staging = await cache.staging();
  onProgress('unpacking');
  const root = await unpackLayout(layout, folder, limits, makeRoom, signal);
  onProgress('packing the root filesystem');
  await makeSquashfs(root, join(staging.path, rootFileName), [], signal);
  return await catalog.add({ ...facts, key: recipeVersion, createdAtMs: Date.now() }, staging);
}
