// Tells the image store which root filesystems this node needs: those of its machines, snapshots and templates.
// Invariant: what is told is at most a moment behind; the store spares what was asked for within minutes.
import { TvmError } from '@tvm/api/errors.ts';
import type { ImageStore } from '@tvm/images/contract.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import type { Logger } from '@tvm/kit/log.ts';
import type { Machines } from './machines/machines.ts';
import type { SnapshotStore } from './snapshots/snapshot-store.ts';

export interface ImageUsesDeps {
  machines: Pick<Machines, 'list' | 'watch'>;
  /** Snapshots, and templates. */
  stores: Pick<SnapshotStore, 'list'>[];
  /** Absent for images that nobody collects. */
  images: Partial<Pick<ImageStore, 'declareUses'>>;
  stateFolder: string;
  clock: Clock;
  log: Logger;
}

/** Changes come in bursts. */
const restMs = 1_000;
const retryMs = 30_000;

/** Works until the signal aborts. */
export async function watchImageUses(deps: ImageUsesDeps, signal: AbortSignal): Promise<void> {
  const { machines, images, stateFolder, clock, log } = deps;
  if (!images.declareUses) return;
  let changed = Promise.withResolvers<void>();
  const watching = (async () => {
    for await (const _ of machines.watch(signal)) changed.resolve();
    changed.resolve();
  })();
  let told = '';
  while (!signal.aborted) {
    await changed.promise;
    changed = Promise.withResolvers<void>();
    let pauseMs = restMs;
    try {
      const digests = await usedDigests(deps);
      if (digests.join() !== told) await images.declareUses(stateFolder, digests);
      told = digests.join();
    } catch (thrown) {
      log.warn({ err: TvmError.from(thrown) }, 'the image store does not know what this node uses; telling it again');
      changed.resolve();
      pauseMs = retryMs;
    }
    await clock.sleep(pauseMs, signal);
  }
  await watching;
}

async function usedDigests({ machines, stores }: ImageUsesDeps): Promise<string[]> {
  const kept = (await Promise.all(stores.map((store) => store.list()))).flat();
  const digests = [...machines.list(), ...kept].map(({ imageDigest }) => imageDigest);
  return [...new Set(digests)].filter((digest) => digest !== '').sort();
}
