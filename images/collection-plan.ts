// Which root filesystems go when they take too much room. Pure. Invariant: none that something uses or has just used.

/** A file, by its digest, with the references to it. */
export interface KeptRoot {
  digest: string;
  sizeBytes: number;
  /** Of its references, the last; of one without references, when it was made. */
  lastUsedAtMs: number;
  /** Empty: nothing can ask for it any more. */
  references: string[];
}

export interface CollectionWish {
  /** The sum of what may stay; what nothing refers to goes in any case. */
  budgetBytes: number;
  used: ReadonlySet<string>;
  nowMs: number;
}

/** What was asked for lately may be on its way to a machine that has not told yet. */
export const graceMs = 10 * 60_000;

/** The least recently used first. */
export function planCollection(roots: readonly KeptRoot[], { budgetBytes, used, nowMs }: CollectionWish): KeptRoot[] {
  const idle = roots
    .filter(({ digest, lastUsedAtMs }) => !used.has(digest) && nowMs - lastUsedAtMs > graceMs)
    .sort((a, b) => a.lastUsedAtMs - b.lastUsedAtMs);
  const going = idle.filter(({ references }) => references.length === 0);
  let bytes = sumOf(roots) - sumOf(going);
  for (const root of idle) {
    if (bytes <= budgetBytes) break;
    if (root.references.length === 0) continue;
    going.push(root);
    bytes -= root.sizeBytes;
  }
  return going;
}

function sumOf(roots: readonly KeptRoot[]): number {
  return roots.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}
