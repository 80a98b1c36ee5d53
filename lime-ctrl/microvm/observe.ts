// Reads what the MicroVM planner needs: the object, its machine, the nodes, the Secrets. Invariant: reads only.

import { TvmError } from '@tvm/api/errors.ts';
import { type Machine, MachineState } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import type { MicroVm } from '@tvm/api/kinds/microvm.ts';
import type { MicroVmSnapshot } from '@tvm/api/kinds/microvm-snapshot.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import { type KubeClient, microVms, splitKey } from '@tvm/kit/kube/client.ts';
import type { Fleet, PlacedMachine } from '../flintlock/fleet.ts';
import { observeNodes } from '../placement/observe-nodes.ts';
import type { Activity } from './activity.ts';
import type { FailureLog } from './failure-log.ts';
import { noInputs, readSecretInputs, type SecretInputs } from './secret-inputs.ts';
import { startFrom } from './start-from.ts';
import type { Observed, ObservedMachine } from './world.ts';

export interface ObserveDeps {
  client: KubeClient;
  fleet: Fleet;
  /** The object as the cache has it. */
  cached: (key: string) => MicroVm | undefined;
  /** A MicroVMSnapshot as the cache has it. */
  snapshot: (key: string) => MicroVmSnapshot | undefined;
  failures: FailureLog;
  activity: Activity;
  clock: Clock;
}

/** What was observed, and what Secrets hold, which stays out of plans since they may be printed. */
export interface Observation {
  observed: Observed;
  secretInputs: SecretInputs;
}

const stateNames: Partial<Record<MachineState, ObservedMachine['state']>> = {
  [MachineState.CREATING]: 'Creating',
  [MachineState.RUNNING]: 'Running',
  [MachineState.PAUSED]: 'Paused',
  [MachineState.STOPPED]: 'Stopped',
  [MachineState.FAILED]: 'Failed',
  [MachineState.DESTROYING]: 'Destroying',
};

export async function observeMicroVm(deps: ObserveDeps, key: string): Promise<Observation> {
  const { fleet, clock, failures, activity } = deps;
  const vm = deps.cached(key);
  const uid = vm?.metadata.uid ?? '';
  const placed = uid === '' ? undefined : fleet.machine(uid, vm?.status?.host);
  const secretsOfVm = vm && startsAnew(placed) ? await readSecretInputs(deps.client, vm) : { ...noInputs, missing: [] };
  const { missing, ...secretInputs } = secretsOfVm;
  const nowMs = clock.now();
  const observed: Observed = {
    vm,
    machine: placed && observedMachine(placed, activity.atMs(uid)),
    strays: await straysOf(deps, key, placed),
    nodes: observeNodes(fleet, vm?.metadata.namespace),
    from: vm ? startFrom(vm.spec, deps.snapshot(`${vm.metadata.namespace}/${vm.spec.snapshot}`)) : { type: 'image' },
    missingSecrets: missing,
    failures: failures.note(uid, placed?.machine, nowMs),
    nowMs,
  };
  return { observed, secretInputs };
}

/**
 * Machines made for this name that no object stands behind, and those that came back after their MicroVM was given another
 * node. The API server is asked, since the cache may be behind.
 */
async function straysOf(deps: ObserveDeps, key: string, placed: PlacedMachine | undefined): Promise<ObservedMachine[]> {
  const others = deps.fleet
    .machinesFor(key)
    .filter(({ node, machine }) => machine.uid !== placed?.machine.uid || node !== placed.node);
  if (others.length === 0) return [];
  const live = await liveObject(deps.client, key);
  return others
    .filter(({ node, machine }) => {
      if (machine.uid !== live?.metadata.uid) return true;
      return live.status?.host !== undefined && live.status.host !== node;
    })
    .map((each) => observedMachine(each));
}

async function liveObject(client: KubeClient, key: string): Promise<MicroVm | undefined> {
  const { namespace, name } = splitKey(key);
  try {
    return await client.get(microVms, namespace, name);
  } catch (error) {
    if (error instanceof TvmError && error.code === 'not_found') return undefined;
    throw error;
  }
}

function startsAnew(placed: PlacedMachine | undefined): boolean {
  const state = placed?.machine.state;
  return state === undefined || state === MachineState.STOPPED || state === MachineState.FAILED;
}

/** `wantedAtMs`: when this process last knew it to be wanted. */
export function observedMachine(
  { node, machine }: { node: string; machine: Machine },
  wantedAtMs = 0,
): ObservedMachine {
  const { uid, reason, message, bootMs, imageDigest, address, restored, openCalls, exitCode } = machine;
  return {
    uid,
    node,
    generation: Number(machine.generation),
    state: stateNames[machine.state] ?? 'Creating',
    reason,
    message,
    bootMs,
    restored,
    imageDigest,
    address,
    startedAtMs: Number(machine.startedAtMs),
    lastActiveAtMs: Math.max(wantedAtMs, Number(machine.lastActiveAtMs)),
    openCalls,
    exitCode,
    disks: (machine.spec?.disks ?? []).map(({ name, sizeMib }) => ({ name, sizeMiB: sizeMib })),
  };
}
