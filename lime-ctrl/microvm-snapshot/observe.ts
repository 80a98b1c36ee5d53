// Reads what the planner of a MicroVMSnapshot needs: the object, its source, the files on nodes. Invariant: reads only.
import { TvmError } from '@tvm/api/errors.ts';
import type { Snapshot } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import type { MicroVm } from '@tvm/api/kinds/microvm.ts';
import type { MicroVmSnapshot } from '@tvm/api/kinds/microvm-snapshot.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import type { Fleet } from '../flintlock/fleet.ts';
import { observedMachine } from '../microvm/observe.ts';
import { type HeldSnapshot, nameOnNode, type Observed } from './world.ts';

const callDeadlineMs = 10_000;

export interface ObserveDeps {
  fleet: Fleet;
  snapshot: (key: string) => MicroVmSnapshot | undefined;
  microVm: (key: string) => MicroVm | undefined;
  clock: Clock;
  /** When a snapshot that failed may be tried again. */
  retryAtMs: (key: string) => number;
}

export async function observeMicroVmSnapshot(deps: ObserveDeps, key: string): Promise<Observed> {
  const { fleet, clock } = deps;
  const snapshot = deps.snapshot(key);
  const vm = snapshot && deps.microVm(`${snapshot.metadata.namespace}/${snapshot.spec.source.microVM}`);
  const placed = vm?.metadata.uid === undefined ? undefined : fleet.machine(vm.metadata.uid);
  const nodes = fleet.nodes().map(({ name, reachable, sinceMs }) => ({ name, reachable, sinceMs }));
  const hosts = new Set([...(snapshot?.status?.hosts ?? []), ...(placed ? [placed.node] : [])]);
  // Where what was left behind is, no object says.
  const anywhere = snapshot?.spec.source.retained !== undefined;
  const asked = nodes.filter(({ name, reachable }) => reachable && (anywhere || hosts.has(name)));
  return {
    snapshot,
    sourceExists: vm !== undefined && vm.metadata.deletionTimestamp === undefined,
    source: placed && observedMachine(placed),
    held: snapshot ? (await Promise.all(asked.map(({ name }) => heldOn(fleet, name, snapshot)))).flat() : [],
    nodes,
    retryAtMs: deps.retryAtMs(key),
    nowMs: clock.now(),
  };
}

/**
 * Its files on a node. Those that another left behind count only when they are of the machine that it names: a tenant who
 * names the files of somebody else must neither start from them nor delete them.
 */
async function heldOn(fleet: Fleet, node: string, snapshot: MicroVmSnapshot): Promise<HeldSnapshot[]> {
  const { metadata, spec: wanted } = snapshot;
  const found = await snapshotOn(fleet, node, nameOnNode(snapshot));
  if (!found) return [];
  const { labels, generation, sizeBytes, createdAtMs, spec } = found;
  const isOwn =
    labels.owner === 'microvm' && labels.namespace === metadata.namespace && labels.name === wanted.source.microVM;
  if (wanted.source.retained !== undefined && !isOwn) return [];
  const machine = { image: spec?.image ?? '', cpu: spec?.cpus ?? 0, memory: spec?.memoryMib ?? 0 };
  return [{ node, generation, sizeBytes: Number(sizeBytes), createdAtMs: Number(createdAtMs), ...machine }];
}

/** One that cannot be read is of no use to anybody, and counts as gone. */
async function snapshotOn(fleet: Fleet, node: string, name: string): Promise<Snapshot | undefined> {
  try {
    return await fleet.client(node).getSnapshot({ name }, { timeoutMs: callDeadlineMs });
  } catch (error) {
    if (error instanceof TvmError && (error.code === 'not_found' || error.code === 'data_loss')) return undefined;
    throw error;
  }
}
