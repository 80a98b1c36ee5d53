// Keeps the root filesystems within their budget, and makes room when a disk is full.
import type { CollectionWish, KeptRoot } from './collection-plan.ts';
import { graceMs, planCollection } from './collection-plan.ts';
import type { ImageUses } from './image-uses.ts';
import type { RootCatalog } from './root-catalog.ts';

/** What was removed. */
export interface Collected {
  references: string[];
  bytes: number;
}

export interface Collector {
  /** Removes what nothing uses, the least recently used first, until `budgetBytes` are kept. */
  shrinkTo(budgetBytes: number): Promise<Collected>;
  /** The same until so many bytes are freed, if there are as many. */
  free(bytes: number): Promise<Collected>;
}

export function makeCollector(catalog: RootCatalog, uses: ImageUses, now: () => number = Date.now): Collector {
  async function collect(budgetOf: (roots: KeptRoot[]) => number): Promise<Collected> {
    const [roots, used] = await Promise.all([catalog.roots(), uses.digests()]);
    const wish: CollectionWish = { budgetBytes: budgetOf(roots), used, nowMs: now() };
    const collected: Collected = { references: [], bytes: 0 };
    for (const root of planCollection(roots, wish)) {
      if (!(await catalog.removeRoot(root, used, wish.nowMs - graceMs))) continue;
      collected.references.push(...root.references);
      collected.bytes += root.sizeBytes;
    }
    return collected;
  }

  return {
    shrinkTo: (budgetBytes) => collect(() => budgetBytes),
    free: (bytes) => collect((roots) => roots.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) - bytes),
  };
}
