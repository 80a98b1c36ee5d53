// What a leader acts with. Invariant: once its term is over, by its signal or by the clock, nothing more is written and no
// flintlock is called, and calls under way are given up.
import type { CallOptions } from '@connectrpc/connect';
import { TvmError } from '@tvm/api/errors.ts';
import type { Term } from '@tvm/kit/controller/leader-election.ts';
import type { KubeClient } from '@tvm/kit/kube/client.ts';
import type { FlintlockClient } from '../flintlock/client.ts';
import type { Fleet } from '../flintlock/fleet.ts';

/** Reads go on: they harm nobody. */
export function fencedKube(client: KubeClient, term: Term): KubeClient {
  const fenced =
    <A extends unknown[], R>(write: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      checkLeads(term);
      return await write(...args);
    };
  return {
    ...client,
    create: fenced(client.create) as KubeClient['create'],
    update: fenced(client.update) as KubeClient['update'],
    updateStatus: fenced(client.updateStatus) as KubeClient['updateStatus'],
    patch: fenced(client.patch) as KubeClient['patch'],
    delete: fenced(client.delete),
  };
}

export function fencedFleet(fleet: Fleet, term: Term): Fleet {
  // Its properties change: they are looked up in the fleet itself.
  return Object.create(fleet, {
    client: { value: (node: string) => fencedClient(fleet.client(node), term) },
  }) as Fleet;
}

type AnyMethod = (request: unknown, options?: CallOptions) => unknown;

function fencedClient(client: FlintlockClient, term: Term): FlintlockClient {
  const methods = Object.entries(client as unknown as Record<string, AnyMethod>).map(([name, call]) => {
    const fenced: AnyMethod = (request, options = {}) => {
      checkLeads(term);
      const signal = options.signal ? AbortSignal.any([options.signal, term.signal]) : term.signal;
      return call(request, { ...options, signal });
    };
    return [name, fenced];
  });
  return Object.fromEntries(methods) as FlintlockClient;
}

function checkLeads(term: Term): void {
  if (!term.lasts()) throw new TvmError('aborted', 'this replica no longer leads', { reason: 'NotLeading' });
}
