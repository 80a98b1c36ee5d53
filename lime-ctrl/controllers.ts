// All controllers, wired to what wakes them. Invariant: they run only while this replica leads.
import type { McpSession } from '@tvm/api/kinds/mcp-session.ts';
import type { MicroVm } from '@tvm/api/kinds/microvm.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import { type ControllerDeps, runController } from '@tvm/kit/controller/controller.ts';
import type { Reflector } from '@tvm/kit/controller/reflector.ts';
import { resync } from '@tvm/kit/controller/resync.ts';
import { makeWorkQueue, type WorkQueue } from '@tvm/kit/controller/work-queue.ts';
import { type KubeClient, keyOf } from '@tvm/kit/kube/client.ts';
import type { EventRecorder } from '@tvm/kit/kube/event-recorder.ts';
import type { Logger } from '@tvm/kit/log.ts';
import { aborted } from '@tvm/kit/run-main.ts';
import type { Fleet, FleetEvent } from './flintlock/fleet.ts';
import { makeMcpSessionReconcile } from './mcp-session/reconcile.ts';
import { makeFailureLog } from './microvm/failure-log.ts';
import { makeMicroVmReconcile } from './microvm/reconcile.ts';
import { ownerLabel } from './microvm/world.ts';

const resyncMs = 300_000;
const concurrency = 8;

export interface ControllersDeps {
  client: KubeClient;
  fleet: Fleet;
  microVms: Reflector<MicroVm>;
  sessions: Reflector<McpSession>;
  recorder: EventRecorder;
  clock: Clock;
  log: Logger;
  /** A declared machine finds no room: what only waits should yield. */
  onNoRoom?: () => void;
  onReconciled?: NonNullable<ControllerDeps['onReconciled']>;
  onQueue?: (name: string, queue: WorkQueue) => void;
}

/** Runs until the signal aborts. */
export async function runControllers(deps: ControllersDeps, signal: AbortSignal): Promise<void> {
  await Promise.race([deps.microVms.whenSynced, aborted(signal)]);
  await Promise.all([runMicroVms(deps, signal), runSessions(deps, signal)]);
}

async function runMicroVms(deps: ControllersDeps, signal: AbortSignal): Promise<void> {
  const { client, fleet, microVms, recorder, clock } = deps;
  const queue = makeWorkQueue(clock);
  const keys = () => [...new Set([...microVms.list().map(keyOf), ...fleet.machines().flatMap(machineKey)])];
  const addAll = () => {
    for (const key of keys()) queue.add(key);
  };
  const unsubscribe = [
    microVms.subscribe(({ key }) => queue.add(key)),
    fleet.subscribe((event) => (event.type === 'node' ? addAll() : addMachine(queue, event))),
  ];
  addAll();
  const reconcile = makeMicroVmReconcile({
    client,
    fleet,
    cached: microVms.get,
    failures: makeFailureLog(),
    recorder,
    clock,
    ...(deps.onNoRoom && { onNoRoom: deps.onNoRoom }),
  });
  await run(deps, { name: 'microvm', queue, reconcile, keys }, signal);
  for (const stop of unsubscribe) stop();
}

async function runSessions(deps: ControllersDeps, signal: AbortSignal): Promise<void> {
  const { client, microVms, sessions, recorder, clock } = deps;
  const queue = makeWorkQueue(clock);
  const keys = () => sessions.list().map(keyOf);
  const unsubscribe = [
    sessions.subscribe(({ key }) => queue.add(key)),
    microVms.subscribe(({ key }) => {
      for (const session of sessions.list()) {
        if (`${session.metadata.namespace}/${session.spec.vmId}` === key) queue.add(keyOf(session));
      }
    }),
  ];
  for (const key of keys()) queue.add(key);
  const reconcile = makeMcpSessionReconcile({ client, session: sessions.get, microVm: microVms.get, recorder, clock });
  await run(deps, { name: 'mcpsession', queue, reconcile, keys }, signal);
  for (const stop of unsubscribe) stop();
}

interface Controller extends Pick<ControllerDeps, 'name' | 'queue' | 'reconcile'> {
  keys: () => string[];
}

async function run(deps: ControllersDeps, controller: Controller, signal: AbortSignal): Promise<void> {
  const { clock, log, onReconciled } = deps;
  deps.onQueue?.(controller.name, controller.queue);
  await Promise.all([
    runController({ ...controller, concurrency, clock, log, ...(onReconciled && { onReconciled }) }, signal),
    resync({ keys: controller.keys, queue: controller.queue, clock, everyMs: resyncMs }, signal),
  ]);
}

function machineKey({ machine }: { machine: { labels: Record<string, string> } }): string[] {
  const { [ownerLabel]: owner, namespace, name } = machine.labels;
  return owner === 'microvm' && namespace && name ? [`${namespace}/${name}`] : [];
}

function addMachine(queue: WorkQueue, event: FleetEvent & { type: 'machine' }): void {
  const machine = event.machine ?? event.previous;
  for (const key of machine ? machineKey({ machine }) : []) queue.add(key);
}
