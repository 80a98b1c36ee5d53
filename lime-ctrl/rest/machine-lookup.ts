// From the name of a MicroVM to the machine behind it.
import { TvmError } from '@tvm/api/errors.ts';
import type { MicroVm } from '@tvm/api/kinds/microvm.ts';
import { type KubeClient, microVms } from '@tvm/kit/kube/client.ts';
import type { FlintlockClient } from '../flintlock/client.ts';
import type { Fleet, PlacedMachine } from '../flintlock/fleet.ts';

export interface FoundMachine extends PlacedMachine {
  client: FlintlockClient;
  uid: string;
}

/** Throws not_found for no such MicroVM, failed_precondition when it has no machine now. */
export async function findMachine(
  deps: { client: KubeClient; fleet: Fleet },
  namespace: string,
  name: string,
): Promise<FoundMachine> {
  const vm = await deps.client.get(microVms, namespace, name);
  const uid = vm.metadata.uid ?? '';
  const placed = deps.fleet.machine(uid);
  if (!placed) throw noMachine(vm);
  return { ...placed, uid, client: deps.fleet.client(placed.node) };
}

function noMachine({ metadata, status }: MicroVm): TvmError {
  const { phase = 'Pending', message } = status ?? {};
  return new TvmError('failed_precondition', `MicroVM ${metadata.name} is ${phase}${message ? `: ${message}` : ''}`, {
    object: `microvm/${metadata.namespace}/${metadata.name}`,
    reason: status?.reason ?? 'NoMachine',
    hint: `Wait until it runs: kubectl wait microvm/${metadata.name} --for=condition=Ready`,
  });
}
