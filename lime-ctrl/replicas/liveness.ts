// Which replicas live, judged from their Leases as they were read, one reading after the other. Pure but for what it
// remembers. Invariants: only what was seen not to change for long enough, by our own clock, is dead; while nothing could be
// read nobody dies.
import type { Lease } from '@tvm/kit/kube/client.ts';

/** A Lease is renewed far more often than this. */
export const lifeMs = 20_000;
/** Readings farther apart say nothing of what was in between. */
const gapMs = 12_000;

export interface Liveness {
  /** Takes in all Leases of replicas as they are now; answers with the names of those that live, in order. */
  observe(leases: readonly Lease[], nowMs: number): string[];
}

export function makeLiveness(): Liveness {
  const seen = new Map<string, { version: string | undefined; atMs: number }>();
  let readAtMs = Number.NEGATIVE_INFINITY;
  return {
    observe(leases, nowMs) {
      const blind = nowMs - readAtMs > gapMs;
      readAtMs = nowMs;
      const names = new Set(leases.map(({ metadata }) => metadata.name));
      for (const name of [...seen.keys()]) if (!names.has(name)) seen.delete(name);
      for (const { metadata } of leases) {
        const before = seen.get(metadata.name);
        const unchanged = before?.version === metadata.resourceVersion;
        if (before && unchanged && !blind) continue;
        seen.set(metadata.name, { version: metadata.resourceVersion, atMs: nowMs });
      }
      return leases
        .filter(({ metadata }) => nowMs - (seen.get(metadata.name)?.atMs ?? nowMs) < lifeMs)
        .map(({ spec }) => spec?.holderIdentity ?? '')
        .filter((name) => name !== '')
        .toSorted();
    },
  };
}
