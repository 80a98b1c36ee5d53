// How many machines the pools of one namespace may keep waiting: together no more than its limits, the oldest pool first.
// Pure, and from objects alone, so that every replica finds the same.
import type { MicroVmPool } from '@tvm/api/kinds/microvm-pool.ts';
import { type Limits, measures, nothing, plus, type Size, sizeOf, times } from './limits.ts';

export interface PoolGrant {
  pool: MicroVmPool;
  machines: number;
  size: Size;
}

export function poolGrants(pools: Iterable<MicroVmPool>, limits: Limits): PoolGrant[] {
  const oldestFirst = [...pools]
    .filter(({ metadata }) => !metadata.deletionTimestamp)
    .toSorted((a, b) => (order(a) < order(b) ? -1 : 1));
  let used: Size = nothing;
  return oldestFirst.map((pool) => {
    const one = sizeOf(pool.spec.template.spec);
    const fitting = measures.map((measure) =>
      Math.floor(((limits[measure] ?? Infinity) - used[measure]) / one[measure]),
    );
    const machines = Math.max(0, Math.min(pool.spec.minReady ?? 1, ...fitting));
    const size = times(one, machines);
    used = plus(used, size);
    return { pool, machines, size };
  });
}

const order = ({ metadata }: MicroVmPool) => `${metadata.creationTimestamp} ${metadata.name}`;
