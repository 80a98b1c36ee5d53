// The image store: kernels with the guest agent, and root filesystems, made once and kept below one cache folder.
// Invariant: what it returns is complete and immutable.
import { fileURLToPath } from 'node:url';
import type { Logger } from '@tvm/kit/log.ts';
import { makeBuilder } from './build/build.ts';
import { makeCache } from './cache.ts';
import { makeCollector } from './collector.ts';
import { type ImageSettings, readImageSettings } from './config.ts';
import type { BootFiles, ImageStore, Progress, RootImage } from './contract.ts';
import { makeDebianRoots } from './debian/debian-root.ts';
import { keyOf } from './digest.ts';
import { makeImageUses } from './image-uses.ts';
import { makeAgents } from './kernel/agent.ts';
import { makeBootFilesMaker } from './kernel/boot-files.ts';
import { buildGuestKernel } from './kernel/built-kernel.ts';
import { makeKernelChoice } from './kernel/choose-kernel.ts';
import type { Kernel } from './kernel/kernel.ts';
import { makeOciRoots } from './oci/oci-root.ts';
import { timedProgress } from './progress.ts';
import { parseReference } from './reference.ts';
import { makeRootCatalog } from './root-catalog.ts';
import { makeSharedWork } from './shared-work.ts';

export type { BootFiles, ImageConfig, ImageStore, Progress, RootImage } from './contract.ts';

export interface ImageStoreDeps {
  /** Everything is kept below it; created when missing. Several processes may share it. */
  cacheDir: string;
  log: Logger;
  /** A kernel to use instead of the store's own (TVM_KERNEL): an ELF with a PVH entry, virtio and squashfs built in. */
  kernel?: string | undefined;
  /** The guest agent's crate; by default the one in this checkout. */
  guestSourceDir?: string;
  /** By default what the environment says. */
  settings?: ImageSettings;
}

export function makeImageStore(deps: ImageStoreDeps): ImageStore {
  const cache = makeCache(deps.cacheDir);
  const catalog = makeRootCatalog(cache);
  const debianRoots = makeDebianRoots({ cache, catalog });
  const { limits, registries, cacheBytes } = deps.settings ?? readImageSettings();
  const uses = makeImageUses(cache);
  const collector = makeCollector(catalog, uses);
  const makeRoom = async (bytes: number) => void (await collector.free(bytes));
  const buildImage = makeBuilder({ cache, catalog, limits, makeRoom });
  const ociRoots = makeOciRoots({ cache, catalog, limits, registries, makeRoom });
  const guestSourceDir = deps.guestSourceDir ?? fileURLToPath(new URL('../guest', import.meta.url));
  const ensureAgent = makeAgents(cache, guestSourceDir);
  const chooseKernel = makeKernelChoice(cache, deps.kernel);
  const makeBootFiles = makeBootFilesMaker(cache);
  const sharedRoots = makeSharedWork<RootImage>();
  const sharedBoot = makeSharedWork<BootFiles>();
  let swept: Promise<void> | undefined;

  /** Once in this store's life: what killed processes left half-made. */
  const sweepOnce = () => {
    swept ??= cache.sweep().catch((err) => deps.log.warn({ err }, 'sweeping the image cache failed'));
    return swept;
  };

  async function withAgent(kernel: Kernel, onProgress: Progress, signal: AbortSignal) {
    return await makeBootFiles(kernel, await ensureAgent(onProgress, signal));
  }

  /** With what has just been made, older ones may have to go. */
  async function withinBudget(image: RootImage): Promise<RootImage> {
    if (cacheBytes > 0) {
      const collecting = collector.shrinkTo(cacheBytes);
      await collecting.catch((err) => deps.log.warn({ err }, 'collecting images failed'));
    }
    return image;
  }

  return {
    bootFiles: (onProgress, signal) =>
      sharedBoot('boot files', onProgress, signal, async (announce, stop) => {
        await sweepOnce();
        using progress = timedProgress('boot files', announce);
        const kernel = await chooseKernel(progress.say, stop);
        return await withAgent(kernel, progress.say, stop);
      }),

    async ensure(text, onProgress, signal, access = {}) {
      const { normalised, kind } = parseReference(text);
      const roots = kind === 'default' ? debianRoots : ociRoots;
      // First, so that what is about to be collected is either spared or not found.
      await catalog.touch(normalised);
      const found = await roots.find(normalised);
      // Those who may not share an image do not share the work: what one is refused says nothing to another.
      const key = keyOf(normalised, JSON.stringify(access.credentials ?? []));
      const image =
        found ??
        (await sharedRoots(key, onProgress, signal, async (announce, stop) => {
          await sweepOnce();
          using progress = timedProgress(normalised, announce);
          return await withinBudget(await roots.ensure(normalised, progress.say, stop, access));
        }));
      await roots.admit?.(image, access, signal ?? new AbortController().signal);
      return image;
    },

    async build(request, onProgress, signal = new AbortController().signal) {
      await sweepOnce();
      using progress = timedProgress(request.name, onProgress);
      return await withinBudget(await buildImage(request, progress.say, signal));
    },

    async list() {
      const [images, used] = await Promise.all([catalog.list(), uses.digests()]);
      return images.map((image) => ({ ...image, inUse: used.has(image.digest) }));
    },

    remove: async (text) => await catalog.remove(parseReference(text).normalised, await uses.digests()),

    prune: (keepBytes = cacheBytes || Number.POSITIVE_INFINITY) => collector.shrinkTo(keepBytes),

    declareUses: (owner, digests) => uses.declare(owner, digests),

    buildKernel: (onProgress, signal) =>
      sharedBoot('build kernel', onProgress, signal, async (announce, stop) => {
        await sweepOnce();
        using progress = timedProgress('kernel', announce);
        const kernel = await buildGuestKernel(cache, progress.say, stop);
        return await withAgent(kernel, progress.say, stop);
      }),
  };
}
