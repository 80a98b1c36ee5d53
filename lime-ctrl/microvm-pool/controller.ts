// Runs the reconcile of MicroVMPools, woken by them, by what waits and by nodes that come and go.
import { makeWorkQueue } from '@tvm/kit/controller/work-queue.ts';
import { keyOf, microVmPools } from '@tvm/kit/kube/client.ts';
import { refuseInvalid } from '../refuse-invalid.ts';
import { type LoopDeps, runLoop } from '../run-loop.ts';
import { type MicroVmPoolDeps, makeMicroVmPoolReconcile } from './reconcile.ts';

/** Changes of the engine's pool gather for this long. */
const gatherMs = 200;

/** Runs until the signal aborts. `deps.pools` is synced. */
export async function runMicroVmPools(deps: LoopDeps & MicroVmPoolDeps, signal: AbortSignal): Promise<void> {
  const { pools, pool, fleet, clock } = deps;
  const queue = makeWorkQueue(clock);
  const keys = () => pools.list().map(keyOf);
  const soon = () => {
    for (const key of keys()) queue.addAfter(key, gatherMs);
  };
  const unsubscribe = [
    pools.subscribe(({ key }) => queue.add(key)),
    pool.subscribe(soon),
    fleet.subscribe((event) => event.type === 'node' && soon()),
  ];
  for (const key of keys()) queue.add(key);
  const refusal = { ...deps, resource: microVmPools, get: pools.get };
  const reconcile = refuseInvalid(refusal, makeMicroVmPoolReconcile(deps));
  await runLoop(deps, { name: 'microvmpool', queue, reconcile, keys }, signal);
  for (const stop of unsubscribe) stop();
}
