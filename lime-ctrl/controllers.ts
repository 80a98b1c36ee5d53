// All controllers, wired to what wakes them. Invariant: they run only while this replica leads.
import type { McpSession } from '@tvm/api/kinds/mcp-session.ts';
import type { MicroVm } from '@tvm/api/kinds/microvm.ts';
import type { MicroVmPool } from '@tvm/api/kinds/microvm-pool.ts';
import type { MicroVmSnapshot } from '@tvm/api/kinds/microvm-snapshot.ts';
import type { Reflector } from '@tvm/kit/controller/reflector.ts';
import { makeWorkQueue, type WorkQueue } from '@tvm/kit/controller/work-queue.ts';
import { type KubeClient, keyOf, microVms as microVmResource } from '@tvm/kit/kube/client.ts';
import type { EventRecorder } from '@tvm/kit/kube/event-recorder.ts';
import { aborted } from '@tvm/kit/run-main.ts';
import type { Pool } from './engine/pool.ts';
import type { Fleet, FleetEvent } from './flintlock/fleet.ts';
import type { SessionControl } from './mcp/gateway.ts';
import { runMcpSessions } from './mcp-session/controller.ts';
import type { Activity } from './microvm/activity.ts';
import { makeFailureLog } from './microvm/failure-log.ts';
import { makeMicroVmReconcile } from './microvm/reconcile.ts';
import { ownerLabel } from './microvm/world.ts';
import { runMicroVmPools } from './microvm-pool/controller.ts';
import { runMicroVmSnapshots } from './microvm-snapshot/controller.ts';
import type { ResourceQuota } from './quota/limits.ts';
import { type Quota, quotaExceeded } from './quota/quota.ts';
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
  const keys = () => [...new Set([...microVms.list().map(keyOf), ...fleet.machines().flatMap(machineKey)])];
  const addAll = () => {
    for (const key of keys()) queue.add(key);
  };
  const unsubscribe = [
    microVms.subscribe(({ key }) => queue.add(key)),
    snapshots.subscribe(({ key }) => {
      for (const vm of microVms.list()) if (waitsForSnapshot(vm, key)) queue.add(keyOf(vm));
    }),
    ...(deps.quotas ? [deps.quotas.subscribe(() => withoutRoom(microVms.list()).forEach(queue.add))] : []),
    fleet.subscribe((event) => {
      if (event.type === 'node') return addAll();
      addMachine(queue, event);
      if (!event.machine) for (const key of withoutRoom(microVms.list())) queue.addAfter(key, roomGatherMs);
    }),
  ];
  addAll();
  const reconcileSound = makeMicroVmReconcile({
    client,
    fleet,
    cached: microVms.get,
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
  await runLoop(deps, { name: 'microvm', queue, reconcile, keys }, signal);
  for (const stop of unsubscribe) stop();
}

async function runSessions(deps: ControllersDeps, signal: AbortSignal): Promise<void> {
  const { tokens, activity, tokenLifeMs } = deps.sessionControl;
  const base = await Promise.race([deps.sessionControl.base, aborted(signal)]);
  if (base === undefined || signal.aborted) return;
  await runMcpSessions({ ...deps, tokens, activity, tokenLifeMs, base }, signal);
}

function waitsForSnapshot({ metadata, spec, status }: MicroVm, key: string): boolean {
  return spec.snapshot !== undefined && !status?.host && `${metadata.namespace}/${spec.snapshot}` === key;
}

/** Those that wait for the end of other machines. */
function withoutRoom(all: MicroVm[]): string[] {
  return all.filter(({ status }) => status?.reason === 'NoRoom' || status?.reason === quotaExceeded).map(keyOf);
}

function machineKey({ machine }: { machine: { labels: Record<string, string> } }): string[] {
  const { [ownerLabel]: owner, namespace, name } = machine.labels;
  return owner === 'microvm' && namespace && name ? [`${namespace}/${name}`] : [];
}

function addMachine(queue: WorkQueue, event: FleetEvent & { type: 'machine' }): void {
  const machine = event.machine ?? event.previous;
  for (const key of machine ? machineKey({ machine }) : []) queue.add(key);
}
