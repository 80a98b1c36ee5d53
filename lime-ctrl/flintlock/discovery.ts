// Keeps the fleet true to the flintlocks that the cluster has. Invariant: none joins before this replica can prove itself to
// them, and the fleet is not said to be known before all of them have joined; one that does not answer stays in it, one
// whose pod is gone leaves it.
import type { Clock } from '@tvm/kit/clock.ts';
import { makeReflector } from '@tvm/kit/controller/reflector.ts';
import { endpointSlices, type KubeClient, type KubeNode, kubeNodes } from '@tvm/kit/kube/client.ts';
import type { Logger } from '@tvm/kit/log.ts';
import { aborted } from '@tvm/kit/run-main.ts';
import type { FlintlockConnection } from './client.ts';
import { type NameBy, nodesIn } from './endpoints.ts';
import type { Fleet } from './fleet.ts';

/** Without the Nodes only cordons are unknown: they are not waited for for ever. */
const nodesPatienceMs = 5_000;

export interface DiscoveryDeps {
  client: KubeClient;
  namespace: string;
  service: string;
  nameBy: NameBy;
  fleet: Fleet;
  connect: (address: string) => FlintlockConnection;
  /** Resolves when connections can be made. */
  whenReady: Promise<void>;
  clock: Clock;
  log: Logger;
}

export interface Discovery {
  /** Why the flintlocks are not known; undefined: they are. */
  trouble(): string | undefined;
  /** Runs until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
}

export function makeDiscovery(deps: DiscoveryDeps): Discovery {
  const { client, namespace, service, fleet, clock, log } = deps;
  const slices = makeReflector({ client, resource: endpointSlices, namespace, clock, log });
  const nodes = makeReflector({ client, resource: kubeNodes, parse: onlyCordon, clock, log });
  const joined = new Map<string, { address: string; close: () => void }>();

  function apply(): void {
    const found = nodesIn(slices.list(), service, (name) => nodes.get(`/${name}`), deps.nameBy);
    for (const name of [...joined.keys()]) {
      if (found.has(name)) continue;
      joined.delete(name);
      fleet.leave(name);
    }
    for (const [name, { address, ...standing }] of found) {
      if (joined.get(name)?.address !== address) {
        const connection = deps.connect(address);
        log.info({ node: name, address }, 'a flintlock was found');
        fleet.join(name, connection.client, connection.close);
        joined.set(name, { address, close: connection.close });
      }
      fleet.mark(name, standing);
    }
  }

  async function applyWhenReady(signal: AbortSignal): Promise<void> {
    const nodesOrNot = Promise.race([nodes.whenSynced, clock.sleep(nodesPatienceMs, signal)]);
    await Promise.race([Promise.all([slices.whenSynced, nodesOrNot, deps.whenReady]), aborted(signal)]);
    if (signal.aborted) return;
    const unsubscribe = [slices.subscribe(apply), nodes.subscribe(apply)];
    apply();
    fleet.declareKnown();
    await aborted(signal);
    for (const stop of unsubscribe) stop();
  }

  return {
    trouble: () => slices.trouble ?? nodes.trouble ?? (slices.synced ? undefined : 'they are not listed yet'),
    run: async (signal) => {
      await Promise.all([slices.run(signal), nodes.run(signal), applyWhenReady(signal)]);
      // They do not leave the fleet: they have not ended, this process does.
      for (const { close } of joined.values()) close();
    },
  };
}

/** Nodes are large, and told of often. */
function onlyCordon({ apiVersion, kind, metadata: { name, resourceVersion = '' }, spec }: KubeNode): KubeNode {
  const { unschedulable = false } = spec ?? {};
  return { apiVersion, kind, metadata: { name, resourceVersion }, spec: { unschedulable } };
}
