// One executor an action. Invariant: each may be run again with the same result, and none decides anything.

import { TvmError } from '@tvm/api/errors.ts';
import type { Machine } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import { type MicroVm, type MicroVmStatus, machineFinalizer } from '@tvm/api/kinds/microvm.ts';
import { limitsMessage } from '@tvm/api/rpc-limits.ts';
import { type KubeClient, microVms } from '@tvm/kit/kube/client.ts';
import type { Fleet } from '../flintlock/fleet.ts';
import { networkOf } from '../network.ts';
import { disksFor, hasRetainedDisks } from './disks.ts';
import type { SecretInputs } from './secret-inputs.ts';
import { type Action, ownerLabel } from './world.ts';

const callDeadlineMs = 30_000;
const stopGraceMs = 5_000;

export interface ExecuteDeps {
  client: KubeClient;
  fleet: Fleet;
}

/** Does the action and gives the object as it is afterwards. */
export async function executeAction(
  { client, fleet }: ExecuteDeps,
  action: Action,
  vm: MicroVm,
  { env: secretEnv, registryCredentials }: SecretInputs,
): Promise<MicroVm> {
  const { name, namespace = '' } = vm.metadata;
  const change = { uid: vm.metadata.uid ?? '', generation: BigInt(vm.metadata.generation ?? 0) };
  const options = { timeoutMs: callDeadlineMs };
  const told = async (node: string, machine: Promise<Machine>) => {
    fleet.learn(node, await machine);
    return vm;
  };
  switch (action.type) {
    case 'addFinalizer':
      return withFinalizers(client, vm, [...(vm.metadata.finalizers ?? []), machineFinalizer]);
    case 'removeFinalizer':
      return withFinalizers(
        client,
        vm,
        (vm.metadata.finalizers ?? []).filter((each) => each !== machineFinalizer),
      );
    case 'deleteObject':
      await ignoreNotFound(client.delete(microVms, namespace, name, { uid: change.uid }));
      return vm;
    case 'declareStopped': {
      const patch = { metadata: { uid: change.uid }, spec: { desiredState: 'Stopped' } };
      return client.patch(microVms, namespace, name, patch);
    }
    case 'assignHost':
      return writeStatus(client, vm, { ...vm.status, host: action.node });
    case 'createMachine': {
      const labels = { [ownerLabel]: 'microvm', namespace, name };
      const spec = machineSpec(vm, action.snapshot);
      const request = { ...change, spec, labels, env: envOf(vm, secretEnv), registryCredentials };
      return told(action.node, fleet.client(action.node).createMachine(request, options));
    }
    case 'startMachine': {
      const request = { ...change, env: envOf(vm, secretEnv), registryCredentials, disks: disksFor(vm) };
      return told(action.node, fleet.client(action.node).startMachine(request, options));
    }
    case 'growDisks': {
      const request = { ...change, disks: disksFor(vm) };
      return told(action.node, fleet.client(action.node).growDisks(request, options));
    }
    case 'pauseMachine':
      return told(action.node, fleet.client(action.node).pauseMachine(change, options));
    case 'resumeMachine':
      return told(action.node, fleet.client(action.node).resumeMachine(change, options));
    case 'stopMachine': {
      const request = { ...change, graceMs: stopGraceMs };
      return told(action.node, fleet.client(action.node).stopMachine(request, options));
    }
    case 'destroyMachine':
      await destroyMachine(fleet, action);
      // A MicroVM of the same name that is made at once must find them.
      if (hasRetainedDisks(vm)) await fleet.refresh();
      return vm;
  }
}

/** For machines that no object stands behind too: their generation is of no account. */
export async function destroyMachine(fleet: Fleet, { node, uid }: { node: string; uid: string }): Promise<void> {
  const generation = fleet.machine(uid, node)?.machine.generation ?? 0n;
  await fleet.client(node).destroyMachine({ uid, generation }, { timeoutMs: callDeadlineMs });
  fleet.forget(node, uid);
}

/** Writes the status unless it is what the object has. */
export async function writeStatus(client: KubeClient, vm: MicroVm, status: MicroVmStatus): Promise<MicroVm> {
  if (status === vm.status) return vm;
  return client.updateStatus(microVms, { ...vm, status });
}

function withFinalizers(client: KubeClient, vm: MicroVm, finalizers: string[]): Promise<MicroVm> {
  const { namespace = '', name, resourceVersion } = vm.metadata;
  return client.patch(microVms, namespace, name, { metadata: { resourceVersion, finalizers } });
}

async function ignoreNotFound(call: Promise<void>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!(error instanceof TvmError && error.code === 'not_found')) throw error;
  }
}

function machineSpec(vm: MicroVm, snapshot: string) {
  const { spec, metadata } = vm;
  return {
    image: spec.image,
    cpus: spec.cpu,
    memoryMib: spec.memory,
    // Kubernetes' rules: arguments alone go to the entrypoint of the image, which the node knows.
    command: spec.command?.length ? [...spec.command, ...(spec.args ?? [])] : [],
    args: spec.command?.length ? [] : (spec.args ?? []),
    runEntrypoint: spec.runEntrypoint ?? false,
    hostname: metadata.name,
    snapshot,
    disks: disksFor(vm),
    ...networkOf(spec.network),
    ...limitsMessage(spec.limits),
  };
}

function envOf({ spec }: MicroVm, secretEnv: Record<string, string>): Record<string, string> {
  return { ...secretEnv, ...Object.fromEntries((spec.env ?? []).map(({ name, value }) => [name, value])) };
}
