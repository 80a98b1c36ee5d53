// Forks of a running machine: MicroVMs that start from one snapshot of it. Invariants: all are declared or none; the snapshot
// belongs to them from its beginning, so that it goes with the last of them.
import { randomBytes } from 'node:crypto';
import { TvmError } from '@tvm/api/errors.ts';
import { MachineState } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import { apiVersion } from '@tvm/api/kinds/meta.ts';
import type { MicroVm } from '@tvm/api/kinds/microvm.ts';
import type { MicroVmSnapshot } from '@tvm/api/kinds/microvm-snapshot.ts';
import type { ForkRequest } from '@tvm/api/rest/snapshots.ts';
import { type KubeClient, microVmSnapshots, microVms } from '@tvm/kit/kube/client.ts';
import type { LookupDeps } from './machine-lookup.ts';

const maxPrefixLength = 45;

/** Throws not_found, failed_precondition when the machine is not up, already_exists for a name that is taken. */
export async function forkMicroVm(
  { client, fleet }: LookupDeps,
  namespace: string,
  name: string,
  { names, count = names?.length ?? 1 }: ForkRequest,
): Promise<{ snapshot: string; children: MicroVm[] }> {
  const parent = await client.get(microVms, namespace, name);
  const state = fleet.machine(parent.metadata.uid ?? '')?.machine.state;
  if (state !== MachineState.RUNNING && state !== MachineState.PAUSED) throw notUp(parent);
  const prefix = name.slice(0, maxPrefixLength);
  const snapshot = `${prefix}-fork-${randomBytes(4).toString('hex')}`;
  const children: MicroVm[] = [];
  try {
    for (let index = 0; index < count; index += 1) {
      const metadata = names ? { name: names[index] ?? '' } : { generateName: `${prefix}-`, name: undefined as never };
      children.push(await client.create(microVms, childOf(parent, { ...metadata, namespace }, snapshot)));
    }
    await client.create(microVmSnapshots, snapshotFor(parent, children, snapshot));
  } catch (error) {
    await removeAll(client, children);
    throw error;
  }
  return { snapshot, children };
}

/** Its command goes on in the memory that the child continues: it must not be started again. */
function childOf({ metadata, spec }: MicroVm, named: MicroVm['metadata'], snapshot: string): MicroVm {
  const { command, args, runEntrypoint, persistentStorage, ...copied } = spec;
  // Copies for the time of the fork: nobody asked for them to stay.
  const disks = persistentStorage && {
    persistentStorage: persistentStorage.map((disk) => ({ ...disk, retain: false })),
  };
  const labels = metadata.labels && { labels: metadata.labels };
  return {
    apiVersion,
    kind: 'MicroVM',
    metadata: { ...named, ...labels },
    spec: { ...copied, ...disks, desiredState: 'Running', snapshot },
  };
}

function snapshotFor({ metadata }: MicroVm, children: MicroVm[], name: string): MicroVmSnapshot {
  const ownerReferences = children.map((child) => ({
    apiVersion,
    kind: 'MicroVM',
    name: child.metadata.name,
    uid: child.metadata.uid ?? '',
  }));
  return {
    apiVersion,
    kind: 'MicroVMSnapshot',
    metadata: { name, namespace: metadata.namespace ?? '', ownerReferences },
    spec: { source: { microVM: metadata.name }, deletionPolicy: 'Delete' },
  };
}

async function removeAll(client: KubeClient, children: MicroVm[]): Promise<void> {
  for (const { metadata } of children) {
    await client.delete(microVms, metadata.namespace ?? '', metadata.name, { uid: metadata.uid ?? '' });
  }
}

function notUp({ metadata, status }: MicroVm): TvmError {
  const { phase = 'Pending', message } = status ?? {};
  return new TvmError('failed_precondition', `MicroVM ${metadata.name} is ${phase}${message ? `: ${message}` : ''}`, {
    object: `microvm/${metadata.namespace}/${metadata.name}`,
    reason: 'SourceNotRunning',
    hint: 'Only a running or paused machine can be forked.',
  });
}
