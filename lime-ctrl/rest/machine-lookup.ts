// From the name of a MicroVM to the machine behind it, woken when it only rests.
import { TvmError } from '@tvm/api/errors.ts';
import { MachineState } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import type { MicroVm } from '@tvm/api/kinds/microvm.ts';
import { type KubeClient, microVms } from '@tvm/kit/kube/client.ts';
import type { FlintlockClient } from '../flintlock/client.ts';
import type { Fleet, PlacedMachine } from '../flintlock/fleet.ts';
import type { Activity } from '../microvm/activity.ts';

const resumeDeadlineMs = 30_000;

export interface LookupDeps {
  client: KubeClient;
  fleet: Fleet;
  activity: Activity;
}

export interface FoundMachine extends PlacedMachine {
  client: FlintlockClient;
  uid: string;
}

/** As it is. Throws not_found for no such MicroVM, failed_precondition when it has no machine now. */
export async function findMachine(deps: LookupDeps, namespace: string, name: string): Promise<FoundMachine> {
  return machineOf(deps, await deps.client.get(microVms, namespace, name));
}

/** To be used: one that was paused because nobody used it is resumed. Throws as findMachine, and what resuming throws. */
export async function findMachineToUse(deps: LookupDeps, namespace: string, name: string): Promise<FoundMachine> {
  return machineToUse(deps, await deps.client.get(microVms, namespace, name));
}

/** The same for a MicroVM that is known. */
export async function machineToUse(deps: LookupDeps, vm: MicroVm): Promise<FoundMachine> {
  return wake(deps, vm, machineOf(deps, vm));
}

/** The same for a MicroVM that somebody wants to run; one without a machine is left to the controller. */
export async function wakeMicroVm(deps: LookupDeps, vm: MicroVm): Promise<void> {
  if (deps.fleet.machine(vm.metadata.uid ?? '')) await wake(deps, vm, machineOf(deps, vm));
}

async function wake({ fleet, activity }: LookupDeps, vm: MicroVm, found: FoundMachine): Promise<FoundMachine> {
  const { client, node, uid, machine } = found;
  activity.note(uid);
  // Whom its owner paused stays paused.
  const rests = machine.state === MachineState.PAUSED && (vm.spec.desiredState ?? 'Running') === 'Running';
  if (!rests) return found;
  const request = { uid, generation: machine.generation };
  const resumed = await client.resumeMachine(request, { timeoutMs: resumeDeadlineMs });
  fleet.learn(node, resumed);
  return { ...found, machine: resumed };
}

function machineOf({ fleet }: LookupDeps, vm: MicroVm): FoundMachine {
  const uid = vm.metadata.uid ?? '';
  const placed = fleet.machine(uid);
  if (!placed) throw noMachine(vm);
  return { ...placed, uid, client: fleet.client(placed.node) };
}

function noMachine({ metadata, status }: MicroVm): TvmError {
  const { phase = 'Pending', message } = status ?? {};
  return new TvmError('failed_precondition', `MicroVM ${metadata.name} is ${phase}${message ? `: ${message}` : ''}`, {
    object: `microvm/${metadata.namespace}/${metadata.name}`,
    reason: status?.reason ?? 'NoMachine',
    hint: `Wait until it runs: kubectl wait microvm/${metadata.name} --for=condition=Ready`,
  });
}
