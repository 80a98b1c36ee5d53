// OCI images as root filesystems. A reference that the cache has is not pulled again; remove it to pull anew.
import { join } from 'node:path';
import { TvmError } from '@tvm/api/errors.ts';
import type { Cache } from '../cache.ts';
import type { Progress, RootImage } from '../contract.ts';
import type { RootSource } from '../debian/debian-root.ts';
import { keyOf } from '../digest.ts';
import { type MakeRoom, requireSpace } from '../disk-space.ts';
import { type OciReference, parseReference } from '../reference.ts';
import { type RootCatalog, rootFileName } from '../root-catalog.ts';
import { makeSquashfs } from '../squashfs.ts';
import { requireRoot, requireTool } from '../tools.ts';
import { makeAccess } from './access.ts';
import { credentialsFor } from './credentials.ts';
import { defaultLimits, type OciLimits } from './limits.ts';
import { declaredBytes, fetchImage, type Puller, type ResolvedImage, resolveImage } from './registry.ts';
import type { RegistrySettings } from './registry-settings.ts';
import { makeSkopeo } from './skopeo.ts';
import { readLayout, unpackLayout } from './unpack.ts';

/** Raised when roots are made differently from the same image. */
const recipeVersion = 'oci-1';
const tools = ['skopeo', 'umoci', 'mksquashfs', 'prlimit', 'setpriv'];

interface Deps {
  cache: Cache;
  catalog: RootCatalog;
  limits?: OciLimits;
  registries?: RegistrySettings;
  makeRoom?: MakeRoom;
}

const plainSettings: RegistrySettings = { mirrors: {}, insecure: [] };

export function makeOciRoots(deps: Deps): RootSource {
  const { cache, catalog, limits = defaultLimits, registries = plainSettings, makeRoom = async () => {} } = deps;
  const skopeo = makeSkopeo(registries, (key) => cache.path('registries', `${key}.conf`));
  const access = makeAccess();

  async function pull(reference: OciReference, puller: Puller, onProgress: Progress): Promise<RootImage> {
    for (const tool of tools) requireTool(tool);
    requireRoot(`unpacking ${reference.normalised}`);
    onProgress('asking the registry');
    const image = await resolveImage(reference, puller);
    await using scratch = await cache.staging();
    const layoutDir = join(scratch.path, 'layout');
    await requireSpace(scratch.path, declaredBytes(image.manifest), makeRoom);
    await fetchImage(reference, image, layoutDir, puller, onProgress);
    const folders = { scratch: scratch.path, layout: layoutDir };
    const root = await makeRoot(reference.normalised, image, folders, onProgress, puller.signal);
    access.remember(root, puller);
    return root;
  }

  async function makeRoot(
    reference: string,
    { digest, credential }: ResolvedImage,
    folders: { scratch: string; layout: string },
    onProgress: Progress,
    signal: AbortSignal,
  ): Promise<RootImage> {
    await using staging = await cache.staging();
    onProgress('unpacking');
    const layout = await readLayout(folders.layout);
    const root = await unpackLayout(layout, folders.scratch, limits, makeRoom, signal);
    onProgress('packing the root filesystem');
    await makeSquashfs(root, join(staging.path, rootFileName), [], signal);
    const facts = { reference, key: recipeVersion, digest, createdAtMs: Date.now(), config: layout.config };
    return await catalog.add({ ...facts, restricted: credential !== undefined }, staging);
  }

  const find = (reference: string) => catalog.find(reference, recipeVersion);

  return {
    find,
    async admit(image, { credentials = [], granted = false }, signal) {
      if (granted || !image.restricted) return;
      const reference = ociReference(image.reference);
      await access.check(image, reference, puller(reference, credentials, signal));
    },
    ensure: (text, onProgress, signal, { credentials = [] }) =>
      cache.locked(`image-${keyOf(text)}`, signal, async () => {
        const found = await find(text);
        if (found) return found;
        const reference = ociReference(text);
        return await pull(reference, puller(reference, credentials, signal), onProgress);
      }),
  };

  function puller(reference: OciReference, texts: readonly string[], signal: AbortSignal): Puller {
    return { skopeo, limits, credentials: credentialsFor(reference, texts), signal };
  }
}

function ociReference(text: string): OciReference {
  const reference = parseReference(text);
  if (reference.kind !== 'oci') throw new TvmError('internal', `${text} is not an OCI reference`);
  return reference;
}
