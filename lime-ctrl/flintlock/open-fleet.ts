// The fleet as the settings want it: from a list, or found in the cluster. Invariant: a flintlock that is reached over a
// network is always called over TLS when certificates are set up.
import type { Interceptor } from '@connectrpc/connect';
import { readTlsFolder } from '@tvm/kit/certificates/folder.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import type { KubeClient } from '@tvm/kit/kube/client.ts';
import type { Logger } from '@tvm/kit/log.ts';
import { makeClientCertificate } from '../certificates/client-certificate.ts';
import { type Names, serverNameOf } from '../certificates/secrets.ts';
import type { Config } from '../config.ts';
import { connectFlintlock } from './client.ts';
import { makeDiscovery } from './discovery.ts';
import { type Fleet, makeFleet } from './fleet.ts';

export interface OpenFleet {
  fleet: Fleet;
  /** Whose certificates the leader keeps; undefined: nobody's. */
  names: Names | undefined;
  /** Why no node answers, and what to do; undefined: one does. */
  trouble(): string | undefined;
  /** Runs until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
}

interface Deps {
  client: KubeClient;
  clock: Clock;
  log: Logger;
  /** See each call of a flintlock. */
  interceptors?: Interceptor[];
}

export function openFleet(config: Pick<Config, 'flintlocks' | 'pod' | 'scale' | 'tls'>, deps: Deps): OpenFleet {
  const { flintlocks, tls } = config;
  if (flintlocks.type === 'list') return listedFleet(flintlocks.addresses, tls, deps);
  return discoveredFleet(flintlocks, config, deps);
}

function listedFleet(
  addresses: ReadonlyMap<string, string>,
  tls: Config['tls'],
  { clock, log, interceptors }: Deps,
): OpenFleet {
  const proof = tls && { material: () => readTlsFolder(tls.folder), serverName: tls.serverName };
  const connections = [...addresses].map(
    ([name, address]) => [name, connectFlintlock(address, proof, interceptors)] as const,
  );
  const fleet = makeFleet(new Map(connections.map(([name, { client }]) => [name, client])), { clock, log });
  return {
    fleet,
    names: undefined,
    trouble: () => (answers(fleet) ? undefined : 'no node answers'),
    run: async (signal) => {
      await fleet.run(signal);
      for (const [, { close }] of connections) close();
    },
  };
}

function discoveredFleet(
  { namespace, service }: { namespace: string; service: string },
  { pod, scale }: Pick<Config, 'pod' | 'scale'>,
  deps: Deps,
): OpenFleet {
  const { client, clock, log, interceptors } = deps;
  const names = { namespace: pod?.namespace ?? '', nodeNamespace: namespace, service };
  const certificate = makeClientCertificate({ ...deps, namespace: names.namespace });
  const proof = { material: certificate.material, serverName: serverNameOf(names) };
  const fleet = makeFleet(new Map(), { clock, log, discovered: true });
  const discovery = makeDiscovery({
    ...{ client, clock, log, namespace, service, fleet },
    nameBy: scale ? 'pod' : 'node',
    connect: (address) => connectFlintlock(address, proof, interceptors),
    whenReady: certificate.whenThere,
  });
  const none = `no pod of Service ${namespace}/${service} is there: does a node offer what flintlock asks for?`;
  const silent = `no pod of Service ${namespace}/${service} answers`;
  return {
    fleet,
    names,
    trouble: () => {
      if (answers(fleet)) return undefined;
      return discovery.trouble() ?? certificate.missing() ?? (fleet.nodes().length === 0 ? none : silent);
    },
    run: async (signal) => {
      await Promise.all([fleet.run(signal), discovery.run(signal), certificate.run(signal)]);
    },
  };
}

function answers(fleet: Fleet): boolean {
  return fleet.nodes().some(({ reachable }) => reachable);
}
