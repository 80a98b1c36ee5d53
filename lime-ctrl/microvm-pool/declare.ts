// Tells this replica's engine which machines to keep waiting: its share of each MicroVMPool. Run by every replica, leader or
// not. Invariant: what is declared reaches the engine before it may destroy what waits.
import type { MicroVmPool } from '@tvm/api/kinds/microvm-pool.ts';
import type { Reflector } from '@tvm/kit/controller/reflector.ts';
import { keyOf } from '@tvm/kit/kube/client.ts';
import { aborted } from '@tvm/kit/run-main.ts';
import type { Pool } from '../engine/pool.ts';
import type { DeclaredTarget } from '../engine/targets.ts';
import type { ResourceQuota } from '../quota/limits.ts';
import type { Quota } from '../quota/quota.ts';
import type { Replicas } from '../replicas/replicas.ts';
import { shareOf } from '../replicas/share.ts';
import { targetOf, withinGrant } from './plan.ts';

export interface DeclareDeps {
  pools: Reflector<MicroVmPool>;
  pool: Pick<Pool, 'declare' | 'declaredAll'>;
  replicas: Replicas;
  quota?: Pick<Quota, 'grant'>;
  /** ResourceQuotas, where there are such. */
  quotas?: Reflector<ResourceQuota>;
}

/** Runs until the signal aborts. */
export async function declarePools(deps: DeclareDeps, signal: AbortSignal): Promise<void> {
  const { pools, pool, replicas, quota, quotas } = deps;
  await Promise.race([Promise.all([pools.whenSynced, replicas.whenListed, quotas?.whenSynced]), aborted(signal)]);
  if (signal.aborted) return;
  let living = '';
  const declare = (found: MicroVmPool) => pool.declare(keyOf(found), shareOfPool(found, replicas, quota));
  const declareAll = (namespace?: string) => {
    for (const each of pools.list()) {
      if (namespace === undefined || each.metadata.namespace === namespace) declare(each);
    }
  };
  const onReplicas = () => {
    if (living === replicas.living().join()) return;
    living = replicas.living().join();
    declareAll();
  };
  const unsubscribe = [
    pools.subscribe(({ key, object, previous }) => {
      if (!object) pool.declare(key, undefined);
      // What one pool may keep is not left for the others of its namespace.
      declareAll((object ?? previous)?.metadata.namespace);
    }),
    replicas.subscribe(onReplicas),
    ...(quotas ? [quotas.subscribe(() => declareAll())] : []),
  ];
  onReplicas();
  pool.declaredAll();
  await aborted(signal);
  for (const stop of unsubscribe) stop();
}

function shareOfPool(
  found: MicroVmPool,
  { own, living }: Replicas,
  quota: DeclareDeps['quota'],
): DeclaredTarget | undefined {
  if (found.metadata.deletionTimestamp) return undefined;
  const { shape, minReady, maxReady } = withinGrant(targetOf(found), quota?.grant(found));
  const share = (whole: number) => shareOf(whole, keyOf(found), own, living());
  return { shape, minReady: share(minReady), maxReady: Math.max(share(minReady), share(maxReady)) };
}
