// Tells this replica's engine which machines to keep waiting: its share of each MicroVMPool. Run by every replica, leader or
// not. Invariant: what is declared reaches the engine before it may destroy what waits.
import type { MicroVmPool } from '@tvm/api/kinds/microvm-pool.ts';
import type { Reflector } from '@tvm/kit/controller/reflector.ts';
import { keyOf } from '@tvm/kit/kube/client.ts';
import { aborted } from '@tvm/kit/run-main.ts';
import type { Pool } from '../engine/pool.ts';
import type { DeclaredTarget } from '../engine/targets.ts';
import type { Replicas } from '../replicas/replicas.ts';
import { shareOf } from '../replicas/share.ts';
import { targetOf } from './plan.ts';

export interface DeclareDeps {
  pools: Reflector<MicroVmPool>;
  pool: Pick<Pool, 'declare' | 'declaredAll'>;
  replicas: Replicas;
}

/** Runs until the signal aborts. */
export async function declarePools({ pools, pool, replicas }: DeclareDeps, signal: AbortSignal): Promise<void> {
  await Promise.race([Promise.all([pools.whenSynced, replicas.whenListed]), aborted(signal)]);
  if (signal.aborted) return;
  let living = '';
  const declare = (found: MicroVmPool) => pool.declare(keyOf(found), shareOfPool(found, replicas));
  const declareAll = () => {
    if (living === replicas.living().join()) return;
    living = replicas.living().join();
    for (const each of pools.list()) declare(each);
  };
  const unsubscribe = [
    pools.subscribe(({ key, object }) => (object ? declare(object) : pool.declare(key, undefined))),
    replicas.subscribe(declareAll),
  ];
  declareAll();
  pool.declaredAll();
  await aborted(signal);
  for (const stop of unsubscribe) stop();
}

function shareOfPool(found: MicroVmPool, { own, living }: Replicas): DeclaredTarget | undefined {
  if (found.metadata.deletionTimestamp) return undefined;
  const { shape, minReady, maxReady } = targetOf(found);
  const share = (whole: number) => shareOf(whole, keyOf(found), own, living());
  return { shape, minReady: share(minReady), maxReady: Math.max(share(minReady), share(maxReady)) };
}
