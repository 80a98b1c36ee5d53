// OCI images as root filesystems. A reference that the cache has is not pulled again; remove it to pull anew.
import { join } from 'node:path';
import { TvmError } from '@tvm/api/errors.ts';
import type { Cache } from '../cache.ts';
import type { Progress, RootImage } from '../contract.ts';
import type { RootSource } from '../debian/debian-root.ts';
import { keyOf } from '../digest.ts';
import { type MakeRoom, requireSpace } from '../disk-space.ts';
import { builtHere, type OciReference, parseReference } from '../reference.ts';
import type { RootCatalog } from '../root-catalog.ts';
import { requireTool } from '../tools.ts';
import { makeAccess } from './access.ts';
import { credentialsFor } from './credentials.ts';
import { addLayoutRoot, recipeVersion, requireUnpacking } from './layout-root.ts';
import { defaultLimits, type OciLimits } from './limits.ts';
import { declaredBytes, fetchImage, type Puller, resolveImage } from './registry.ts';
import type { RegistrySettings } from './registry-settings.ts';
import { makeSkopeo } from './skopeo.ts';
import { readLayout } from './unpack.ts';

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
    requireTool('skopeo');
    requireUnpacking(reference.normalised);
    onProgress('asking the registry');
    const image = await resolveImage(reference, puller);
    await using scratch = await cache.staging();
    const layoutDir = join(scratch.path, 'layout');
    await requireSpace(scratch.path, declaredBytes(image.manifest), makeRoom);
    await fetchImage(reference, image, layoutDir, puller, onProgress);
    const { digest, credential } = image;
    const layout = await readLayout(layoutDir);
    const facts = { reference: reference.normalised, digest, config: layout.config };
    const restricted = credential !== undefined;
    const root = await addLayoutRoot(
      { cache, catalog, limits, makeRoom },
      { ...facts, restricted },
      { layout, folder: scratch.path },
      onProgress,
      puller.signal,
    );
    access.remember(root, puller);
    return root;
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
        if (reference.registry === builtHere) throw notBuilt(text);
        return await pull(reference, puller(reference, credentials, signal), onProgress);
      }),
  };

  function puller(reference: OciReference, texts: readonly string[], signal: AbortSignal): Puller {
    return { skopeo, limits, credentials: credentialsFor(reference, texts), signal };
  }
}

function notBuilt(reference: string): TvmError {
  return new TvmError('not_found', `${reference} was not built on this host`, {
    object: `image/${reference}`,
    reason: 'ImageNotBuilt',
    hint: `Build it with: vvm image build SOURCE -t ${reference}`,
  });
}

function ociReference(text: string): OciReference {
  const reference = parseReference(text);
  if (reference.kind !== 'oci') throw new TvmError('internal', `${text} is not an OCI reference`);
  return reference;
}
