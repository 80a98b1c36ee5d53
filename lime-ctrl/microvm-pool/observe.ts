// Reads what the planner of a MicroVMPool needs. Invariant: reads only, and only what is in memory.
import type { MicroVmPool } from '@tvm/api/kinds/microvm-pool.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import type { Reflector } from '@tvm/kit/controller/reflector.ts';
import { keyOf } from '@tvm/kit/kube/client.ts';
import type { Pool } from '../engine/pool.ts';
import { keyOfShape } from '../engine/shape.ts';
import type { Fleet } from '../flintlock/fleet.ts';
import type { Quota } from '../quota/quota.ts';
import { type Observed, shareReady, targetOf, withinGrant } from './plan.ts';

export interface ObserveDeps {
  pools: Reflector<MicroVmPool>;
  pool: Pool;
  fleet: Fleet;
  clock: Clock;
  quota?: Pick<Quota, 'grant'>;
}

/** Undefined when there is no such MicroVMPool any more. */
export function observeMicroVmPool(
  { pools, pool, fleet, clock, quota }: ObserveDeps,
  key: string,
): Observed | undefined {
  const found = pools.get(key);
  if (!found || found.metadata.deletionTimestamp) return undefined;
  const { shape } = targetOf(found);
  const own = pool.standing(shape);
  const standing = { ...own, waiting: own.waiting + pool.waitingElsewhere(shape) };
  return {
    pool: found,
    standing,
    ready: shareOf(pools.list(), found, standing.waiting, quota),
    granted: quota?.grant(found),
    nodesReachable: fleet.nodes().some(({ reachable }) => reachable),
    nowMs: clock.now(),
  };
}

function shareOf(all: readonly MicroVmPool[], pool: MicroVmPool, waiting: number, quota: ObserveDeps['quota']): number {
  const shape = keyOfShape(targetOf(pool).shape);
  const alike = all
    .filter((each) => !each.metadata.deletionTimestamp && keyOfShape(targetOf(each).shape) === shape)
    .toSorted((a, b) => order(a).localeCompare(order(b)));
  const index = alike.findIndex((each) => keyOf(each) === keyOf(pool));
  const targets = alike.map((each) => withinGrant(targetOf(each), quota?.grant(each)));
  return shareReady(targets, waiting)[index] ?? 0;
}

const order = (pool: MicroVmPool) => `${pool.metadata.creationTimestamp} ${keyOf(pool)}`;
