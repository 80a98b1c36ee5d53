// Builds images on this host, from a Dockerfile, a layout or archive of an image, or a root filesystem. Invariant: their names
// begin with `localhost/`, so that none can stand in for an image of a registry.
import { resolve } from 'node:path';
import { TvmError } from '@tvm/api/errors.ts';
import type { BuildRequest, ImageConfig, Progress, RootImage } from '../contract.ts';
import { keyOf } from '../digest.ts';
import { addLayoutRoot, type LayoutRootDeps, requireUnpacking } from '../oci/layout-root.ts';
import { checkConfig } from '../oci/manifest.ts';
import { readLayout } from '../oci/unpack.ts';
import { builtHere, parseReference } from '../reference.ts';
import { makeLayout } from './layout.ts';
import { findSource } from './source.ts';

export type Builder = (request: BuildRequest, onProgress: Progress, signal: AbortSignal) => Promise<RootImage>;

export function makeBuilder(deps: LayoutRootDeps): Builder {
  const { cache, limits } = deps;
  return async ({ source: path, name, buildFile, config: changes = {} }, onProgress, signal) => {
    const reference = builtReference(name);
    requireUnpacking(reference);
    const source = await findSource(resolve(path), buildFile);
    await using scratch = await cache.staging();
    const folder = scratch.path;
    const layout = await readLayout(await makeLayout({ source, folder, limits, onProgress, signal }));
    const config = merged(layout.config, changes);
    checkConfig(config);
    // How its programs start belongs to what an image is.
    const digest =
      Object.keys(changes).length === 0 ? layout.digest : `sha256:${keyOf(layout.digest, JSON.stringify(config))}`;
    const facts = { reference, digest, config, restricted: false };
    return await addLayoutRoot(deps, facts, { layout, folder }, onProgress, signal);
  };
}

function merged(config: ImageConfig, changes: Partial<ImageConfig>): ImageConfig {
  const { workdir } = changes;
  if (workdir !== undefined && !workdir.startsWith('/')) {
    throw new TvmError('invalid_argument', `the folder ${workdir} is no absolute path`);
  }
  return { ...config, ...changes, env: { ...config.env, ...changes.env } };
}

/** `demo` is `localhost/demo:latest`. Throws `invalid_argument` for a name that a registry could have. */
export function builtReference(name: string): string {
  const reference = parseReference(name.includes('/') ? name : `${builtHere}/${name}`);
  const isDigest = reference.normalised.includes('@');
  if (reference.kind === 'oci' && reference.registry === builtHere && !isDigest) return reference.normalised;
  const hint = `Write -t ${builtHere}/NAME:TAG.`;
  throw new TvmError('invalid_argument', `${name} is no name for an image that is built here`, { hint });
}
