// One executor an action. Invariant: each may be run again with the same result, and none decides anything.
import {
  type MicroVmSnapshot,
  type MicroVmSnapshotStatus,
  snapshotFinalizer,
} from '@tvm/api/kinds/microvm-snapshot.ts';
import { type KubeClient, microVmSnapshots } from '@tvm/kit/kube/client.ts';
import type { Fleet } from '../flintlock/fleet.ts';
import { type Action, nameOnNode } from './world.ts';

const deleteDeadlineMs = 30_000;
/** The whole memory of a machine is written and its checksum taken. */
const takeDeadlineMs = 600_000;

export interface ExecuteDeps {
  client: KubeClient;
  fleet: Fleet;
}

/** Does the action and gives the object as it is afterwards. */
export async function executeAction(
  { client, fleet }: ExecuteDeps,
  action: Action,
  snapshot: MicroVmSnapshot,
): Promise<MicroVmSnapshot> {
  const finalizers = snapshot.metadata.finalizers ?? [];
  const name = nameOnNode(snapshot);
  switch (action.type) {
    case 'addFinalizer':
      return withFinalizers(client, snapshot, [...finalizers, snapshotFinalizer]);
    case 'removeFinalizer':
      return withFinalizers(
        client,
        snapshot,
        finalizers.filter((each) => each !== snapshotFinalizer),
      );
    case 'assignHost':
      return writeStatus(client, snapshot, { ...snapshot.status, hosts: [action.node] });
    case 'takeSnapshot': {
      const request = { uid: action.uid, generation: BigInt(action.generation), name };
      await fleet.client(action.node).snapshotMachine(request, { timeoutMs: takeDeadlineMs });
      return snapshot;
    }
    case 'deleteFiles':
      await fleet.client(action.node).deleteSnapshot({ name }, { timeoutMs: deleteDeadlineMs });
      return snapshot;
  }
}

/** Writes the status unless it is what the object has. */
export async function writeStatus(
  client: KubeClient,
  snapshot: MicroVmSnapshot,
  status: MicroVmSnapshotStatus,
): Promise<MicroVmSnapshot> {
  if (status === snapshot.status) return snapshot;
  return client.updateStatus(microVmSnapshots, { ...snapshot, status });
}

function withFinalizers(client: KubeClient, snapshot: MicroVmSnapshot, finalizers: string[]): Promise<MicroVmSnapshot> {
  const { namespace = '', name, resourceVersion } = snapshot.metadata;
  return client.patch(microVmSnapshots, namespace, name, { metadata: { resourceVersion, finalizers } });
}
