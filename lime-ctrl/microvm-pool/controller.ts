// Runs the reconcile of MicroVMPools. Invariant: what is declared reaches the engine before it may destroy what waits, and is
// taken back when this replica no longer leads.
import { makeWorkQueue } from '@tvm/kit/controller/work-queue.ts';
import { keyOf } from '@tvm/kit/kube/client.ts';
import { type LoopDeps, runLoop } from '../run-loop.ts';
import { targetOf } from './plan.ts';
import { type MicroVmPoolDeps, makeMicroVmPoolReconcile } from './reconcile.ts';

/** Changes of the engine's pool gather for this long. */
const gatherMs = 200;

/** Runs until the signal aborts. `deps.pools` is synced. */
export async function runMicroVmPools(deps: LoopDeps & MicroVmPoolDeps, signal: AbortSignal): Promise<void> {
  const { pools, pool, fleet, clock } = deps;
  const queue = makeWorkQueue(clock);
  const keys = () => pools.list().map(keyOf);
  for (const each of pools.list()) if (!each.metadata.deletionTimestamp) pool.declare(keyOf(each), targetOf(each));
  pool.declaredAll();
  const soon = () => {
    for (const key of keys()) queue.addAfter(key, gatherMs);
  };
  const unsubscribe = [
    pools.subscribe(({ key }) => queue.add(key)),
    pool.subscribe(soon),
    fleet.subscribe((event) => event.type === 'node' && soon()),
  ];
  for (const key of keys()) queue.add(key);
  await runLoop(deps, { name: 'microvmpool', queue, reconcile: makeMicroVmPoolReconcile(deps), keys }, signal);
  for (const stop of unsubscribe) stop();
  for (const key of keys()) pool.declare(key, undefined);
}
