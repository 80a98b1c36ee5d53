// All controllers, wired to what wakes them. Invariant: they run only while this replica leads.
import type { McpSession } from '@tvm/api/kinds/mcp-session.ts';
import type { MicroVm } from '@tvm/api/kinds/microvm.ts';
import type { MicroVmPool } from '@tvm/api/kinds/microvm-pool.ts';
import type { MicroVmSnapshot } from '@tvm/api/kinds/microvm-snapshot.ts';
import type { Reflector } from '@tvm/kit/controller/reflector.ts';
import { makeWorkQueue } from '@tvm/kit/controller/work-queue.ts';
import { type KubeClient, microVms as microVmResource } from '@tvm/kit/kube/client.ts';
import type { EventRecorder } from '@tvm/kit/kube/event-recorder.ts';
import { aborted } from '@tvm/kit/run-main.ts';
import type { Pool } from './engine/pool.ts';
import type { Fleet } from './flintlock/fleet.ts';
import type { SessionControl } from './mcp/gateway.ts';
import { runMcpSessions } from './mcp-session/controller.ts';
import type { Activity } from './microvm/activity.ts';
import { makeFailureLog } from './microvm/failure-log.ts';
import { makeMicroVmReconcile } from './microvm/reconcile.ts';
import { makeWake } from './microvm/wake.ts';
import { runMicroVmPools } from './microvm-pool/controller.ts';
import { runMicroVmSnapshots } from './microvm-snapshot/controller.ts';
import type { ResourceQuota } from './quota/limits.ts';
import type { Quota } from './quota/quota.ts';
import { reportQuotas } from './quota/report.ts';
import { refuseInvalid } from './refuse-invalid.ts';
import { type LoopDeps, runLoop } from './run-loop.ts';

/** Room that machines leave gathers for this long. */
const roomGatherMs = 300;

export interface ControllersDeps extends LoopDeps {
  client: KubeClient;
  fleet: Fleet;
  /** The engine's; MicroVMPools declare what waits in it. */
  pool: Pool;
  microVms: Reflector<MicroVm>;
  pools: Reflector<MicroVmPool>;
  snapshots: Reflector<MicroVmSnapshot>;
  sessions: Reflector<McpSession>;
  sessionControl: SessionControl;
  recorder: EventRecorder;
  activity: Activity;
  quota?: Quota;
  /** ResourceQuotas, where there are such. */
  quotas?: Reflector<ResourceQuota>;
}

/** Runs until the signal aborts. */
export async function runControllers(deps: ControllersDeps, signal: AbortSignal): Promise<void> {
  const needed = [deps.microVms, deps.pools, deps.snapshots, ...(deps.quotas ? [deps.quotas] : [])];
  const synced = needed.map(({ whenSynced }) => whenSynced);
  await Promise.race([Promise.all([...synced, deps.fleet.whenKnown]), aborted(signal)]);
  if (signal.aborted) return;
  await Promise.all([
    runMicroVms(deps, signal),
    runMicroVmPools(deps, signal),
    runMicroVmSnapshots(deps, signal),
    runSessions(deps, signal),
    deps.quota && deps.quotas && reportQuotas({ ...deps, quota: deps.quota, quotas: deps.quotas }, signal),
  ]);
}

async function runMicroVms(deps: ControllersDeps, signal: AbortSignal): Promise<void> {
  const { client, fleet, microVms, snapshots, recorder, activity, clock } = deps;
  const queue = makeWorkQueue(clock);
  using wake = makeWake(microVms, fleet);
  const add = (keys: string[]) => keys.forEach(queue.add);
  const unsubscribe = [
    microVms.subscribe(({ key }) => queue.add(key)),
    snapshots.subscribe(({ key }) => add(wake.bySnapshot(key))),
    ...(deps.quotas ? [deps.quotas.subscribe(() => add(wake.byRoom()))] : []),
    fleet.subscribe((event) => {
      if (event.type === 'node') return add(wake.byNode(event.node));
      const machine = event.machine ?? event.previous;
      if (machine) add(wake.byMachine(machine));
      if (!event.machine) for (const key of wake.byRoom()) queue.addAfter(key, roomGatherMs);
    }),
  ];
  add(wake.all());
  const reconcileSound = makeMicroVmReconcile({
    client,
    fleet,
    cached: microVms.get,
    learn: microVms.learn,
    snapshot: snapshots.get,
    failures: makeFailureLog(),
    activity,
    recorder,
    clock,
    onNoRoom: deps.pool.yieldRoom,
    ...(deps.quota && { quota: deps.quota }),
  });
  const standing = (message: string) => ({ phase: 'Failed', reason: 'InvalidSpec', message });
  const refusal = { resource: microVmResource, get: microVms.get, client, recorder, clock, standing };
  const reconcile = refuseInvalid(refusal, reconcileSound);
  await runLoop(deps, { name: 'microvm', queue, reconcile, keys: wake.all }, signal);
  for (const stop of unsubscribe) stop();
}

async function runSessions(deps: ControllersDeps, signal: AbortSignal): Promise<void> {
  const { tokens, activity, tokenLifeMs } = deps.sessionControl;
  const base = await Promise.race([deps.sessionControl.base, aborted(signal)]);
  if (base === undefined || signal.aborted) return;
  await runMcpSessions({ ...deps, tokens, activity, tokenLifeMs, base }, signal);
}
