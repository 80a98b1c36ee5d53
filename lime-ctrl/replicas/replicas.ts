// The replicas of lime-ctrl: each keeps a Lease of its own and knows which others live. Invariant: a replica is listed before
// it makes anything, so that what bears its name is never taken for a dead one's.
import { TvmError } from '@tvm/api/errors.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import { type KubeClient, type Lease, leases } from '@tvm/kit/kube/client.ts';
import type { Logger } from '@tvm/kit/log.ts';
import { aborted } from '@tvm/kit/run-main.ts';
import { lifeMs, makeLiveness } from './liveness.ts';

export const replicaLabel = 'tvm.github.com/replica';
const urlAnnotation = 'tvm.github.com/url';
const everyMs = 5_000;
const firstMs = 1_000;

export interface Replicas {
  /** This one. */
  readonly own: string;
  /** All that live, this one among them, in the same order everywhere. */
  living(): readonly string[];
  /** Where another one serves REST, as it says; undefined: it does not say. */
  urlOf(name: string): string | undefined;
  /** Counts the times that all were read. */
  readonly readings: number;
  /** Called after each reading; returns the way to stop. */
  subscribe(listener: () => void): () => void;
  /** Resolves when the others can know of this one. */
  whenListed: Promise<void>;
  /** Runs until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
}

/** Resolves when the others can know of this one, or when the signal aborts. */
export async function whenListed(replicas: Replicas, signal: AbortSignal): Promise<void> {
  await Promise.race([replicas.whenListed, aborted(signal)]);
}

/** The only replica there is. */
export function soleReplica(own: string): Replicas {
  return {
    own,
    living: () => [own],
    urlOf: () => undefined,
    readings: 0,
    subscribe: () => () => {},
    whenListed: Promise.resolve(),
    run: async () => {},
  };
}

export interface ReplicasDeps {
  client: KubeClient;
  namespace: string;
  own: string;
  /** Where this one serves REST to the others. */
  url?: string | undefined;
  clock: Clock;
  log: Logger;
}

export function makeReplicas({ client, namespace, own, url, clock, log }: ReplicasDeps): Replicas {
  const listed = Promise.withResolvers<void>();
  const listeners = new Set<() => void>();
  const liveness = makeLiveness();
  let living: readonly string[] = [own];
  let urls: ReadonlyMap<string, string> = new Map();
  let readings = 0;

  async function renew(holderIdentity: string): Promise<void> {
    const spec = {
      holderIdentity,
      leaseDurationSeconds: lifeMs / 1000,
      renewTime: new Date(clock.now()).toISOString().replace('Z', '000Z'),
    };
    const name = leaseNameOf(own);
    const found = await readLease(client, namespace, name);
    const labels = { [replicaLabel]: 'true', 'app.kubernetes.io/part-of': 'tvm' };
    const annotations = { ...found?.metadata.annotations, ...(url !== undefined && { [urlAnnotation]: url }) };
    const metadata = { name, namespace, labels, annotations };
    if (found) await client.update(leases, { ...found, metadata: { ...found.metadata, annotations }, spec });
    else await client.create(leases, { apiVersion: leases.apiVersion, kind: leases.kind, metadata, spec });
  }

  async function read(): Promise<void> {
    const { items } = await client.list(leases, { namespace, labelSelector: `${replicaLabel}=true` });
    const others = liveness.observe(items, clock.now()).filter((name) => name !== own);
    living = [own, ...others].toSorted();
    urls = new Map(
      items.map(({ metadata, spec }) => [spec?.holderIdentity ?? '', metadata.annotations?.[urlAnnotation] ?? '']),
    );
    readings += 1;
    for (const listener of listeners) listener();
  }

  return {
    own,
    living: () => living,
    urlOf: (name) => urls.get(name) || undefined,
    get readings() {
      return readings;
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    whenListed: listed.promise,
    async run(signal) {
      let isListed = false;
      while (!signal.aborted) {
        try {
          await renew(own);
          isListed = true;
          listed.resolve();
          await read();
        } catch (error) {
          log.warn({ why: TvmError.from(error).message }, 'the Lease of this replica was not renewed');
        }
        await clock.sleep(isListed ? everyMs : firstMs, signal);
      }
      // What it made can go at once.
      await renew('').catch((error) => log.debug({ err: error }, 'the Lease of this replica was not given up'));
    },
  };
}

export function leaseNameOf(replica: string): string {
  return `lime-ctrl-replica-${replica.toLowerCase().replaceAll('_', '-')}`;
}

async function readLease(client: KubeClient, namespace: string, name: string): Promise<Lease | undefined> {
  try {
    return await client.get(leases, namespace, name);
  } catch (error) {
    if (error instanceof TvmError && error.code === 'not_found') return undefined;
    throw error;
  }
}
