// Which flintlocks there are, from the EndpointSlices of their Service and the Nodes that they run on. Pure, and forgiving:
// what is no endpoint of one is left out.
import type { Endpoint, EndpointSlice, KubeNode } from '@tvm/kit/kube/client.ts';
import type { NodeStanding } from './fleet.ts';

const portName = 'rpc';

export interface FoundNode extends NodeStanding {
  /** HOST:PORT */
  address: string;
}

/** `node`: one flintlock a node, under its name. `pod`: there may be several, each under the name of its pod. */
export type NameBy = 'node' | 'pod';

export function nodesIn(
  slices: readonly EndpointSlice[],
  service: string,
  kubeNode: (name: string) => KubeNode | undefined,
  nameBy: NameBy,
): Map<string, FoundNode> {
  const found = new Map<string, FoundNode & { rank: number }>();
  for (const slice of slices) {
    if (slice.metadata.labels?.['kubernetes.io/service-name'] !== service) continue;
    const port = slice.ports?.find(({ name }) => name === portName)?.port;
    for (const endpoint of slice.endpoints ?? []) {
      const [host] = endpoint.addresses ?? [];
      if (host === undefined || port === undefined) continue;
      const name = nameOf(endpoint, nameBy) ?? host;
      const rank = rankOf(endpoint);
      // While one takes the place of another both are there: the one that stays counts.
      if ((found.get(name)?.rank ?? -1) >= rank) continue;
      const cordoned = kubeNode(endpoint.nodeName ?? '')?.spec?.unschedulable ?? false;
      const draining = endpoint.conditions?.terminating ?? false;
      found.set(name, { address: `${host.includes(':') ? `[${host}]` : host}:${port}`, cordoned, draining, rank });
    }
  }
  return new Map([...found].map(([name, { rank: _, ...node }]) => [name, node]));
}

function nameOf({ nodeName, targetRef }: Endpoint, nameBy: NameBy): string | undefined {
  return nameBy === 'pod' ? (targetRef?.name ?? nodeName) : (nodeName ?? targetRef?.name);
}

function rankOf({ conditions: { ready = true, terminating = false } = {} }: Endpoint): number {
  if (terminating) return 0;
  return ready ? 2 : 1;
}
