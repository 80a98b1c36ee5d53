// Reads what the planner of a MicroVMSnapshot needs: the object, its source, the files on nodes. Invariant: reads only.
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
  const isOwn = ({ labels }: { labels: Record<string, string> }) =>
    labels.owner === 'microvm' && labels.namespace === metadata.namespace && labels.name === wanted.source.microVM;
  const { snapshots } = await fleet.client(node).listSnapshots({}, { timeoutMs: callDeadlineMs });
  return snapshots
    .filter((each) => each.name === nameOnNode(snapshot) && (wanted.source.retained === undefined || isOwn(each)))
    .map(({ sizeBytes, createdAtMs, generation, spec }) => ({
      node,
      generation,
      sizeBytes: Number(sizeBytes),
      createdAtMs: Number(createdAtMs),
      image: spec?.image ?? '',
      cpu: spec?.cpus ?? 0,
      memory: spec?.memoryMib ?? 0,
    }));
}
