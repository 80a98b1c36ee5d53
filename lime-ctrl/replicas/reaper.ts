// Destroys what dead replicas left: machines that waited or ran for callers that are gone with them. Run by the leader.
// Invariant: a replica must be missing in two readings after the machine was seen, so that one that has just begun is not
// taken for dead.
import { TvmError } from '@tvm/api/errors.ts';
import type { Machine } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import { type KubeClient, leases } from '@tvm/kit/kube/client.ts';
import type { Logger } from '@tvm/kit/log.ts';
import { aborted } from '@tvm/kit/run-main.ts';
import type { Fleet, PlacedMachine } from '../flintlock/fleet.ts';
import { leaseNameOf, type Replicas } from './replicas.ts';

const patience = 2;
const callDeadlineMs = 30_000;

export interface ReaperDeps {
  client: KubeClient;
  namespace: string;
  fleet: Fleet;
  replicas: Replicas;
  log: Logger;
}

/** Runs until the signal aborts. */
export async function reapDeadReplicas(deps: ReaperDeps, signal: AbortSignal): Promise<void> {
  const { fleet, replicas, log } = deps;
  /** The reading in which each was first found missing. */
  const missing = new Map<string, number>();
  let working = Promise.resolve();

  async function review(): Promise<void> {
    const left = Map.groupBy(fleet.machines(), ({ machine }) => replicaOf(machine) ?? '');
    left.delete('');
    for (const name of [...missing.keys()]) if (!left.has(name)) missing.delete(name);
    for (const [name, machines] of left) {
      if (replicas.living().includes(name)) missing.delete(name);
      else if (!missing.has(name)) missing.set(name, replicas.readings);
      else if (replicas.readings - (missing.get(name) ?? 0) >= patience) await reap(deps, name, machines, signal);
    }
  }

  const stop = replicas.subscribe(() => {
    working = working.then(review).catch((error) => log.warn({ err: error }, 'dead replicas not reaped'));
  });
  await aborted(signal);
  stop();
  await working;
}

/** Of machines that belong to a replica, not to an object. */
function replicaOf({ labels: { owner, replica } }: Machine): string | undefined {
  return owner === 'pool' || owner === 'execute' ? replica : undefined;
}

async function reap(
  { client, namespace, fleet, log }: ReaperDeps,
  name: string,
  machines: PlacedMachine[],
  signal: AbortSignal,
): Promise<void> {
  log.info({ replica: name, machines: machines.length }, 'a replica has ended: its machines are destroyed');
  for (const { node, machine } of machines) {
    if (signal.aborted) return;
    const { uid, generation } = machine;
    try {
      await fleet.client(node).destroyMachine({ uid, generation }, { timeoutMs: callDeadlineMs });
    } catch (error) {
      log.warn({ why: TvmError.from(error).message, machine: uid, node }, 'machine not destroyed, will try again');
    }
  }
  await client.delete(leases, namespace, leaseNameOf(name)).catch((error: TvmError) => {
    if (error.code !== 'not_found') log.debug({ err: error, replica: name }, 'the Lease of a dead replica stays');
  });
}
