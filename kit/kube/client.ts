// The port to a Kubernetes API server: what controllers need of it, and nothing else.
// Invariant: failures are TvmErrors: not_found, already_exists, aborted (conflict), failed_precondition with reason
// Expired (410), invalid_argument (422, 400), unauthenticated, permission_denied, resource_exhausted, unavailable.

import type { McpSession } from '@tvm/api/kinds/mcp-session.ts';
import { apiVersion, type KubeObject, type ObjectMeta } from '@tvm/api/kinds/meta.ts';
import type { MicroVm } from '@tvm/api/kinds/microvm.ts';
import type { MicroVmPool } from '@tvm/api/kinds/microvm-pool.ts';
import type { MicroVmSnapshot } from '@tvm/api/kinds/microvm-snapshot.ts';

/** Any object of the API: the custom kinds, Secrets, Events, ... */
export interface ApiObject {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
}

/** Where a kind is served. `T` is the shape of its objects. */
export interface Resource<T extends ApiObject> {
  apiVersion: string;
  kind: string;
  plural: string;
  namespaced: boolean;
  /** A part of the objects that is served at a path of its own ("scale"). */
  subresource?: string;
  /** Never set: it carries the type. */
  readonly shape?: T;
}

export interface ListOptions {
  /** None: all namespaces. */
  namespace?: string | undefined;
  labelSelector?: string | undefined;
  limit?: number | undefined;
  continue?: string | undefined;
}

export interface ObjectList<T> {
  items: T[];
  resourceVersion: string;
  continue?: string | undefined;
}

export interface WatchOptions {
  namespace?: string | undefined;
  resourceVersion: string;
  /** The server ends the watch after this. */
  timeoutSeconds: number;
  signal: AbortSignal;
}

export type WatchEvent<T> =
  | { type: 'ADDED' | 'MODIFIED' | 'DELETED'; object: T }
  | { type: 'BOOKMARK'; resourceVersion: string };

export interface KubeClient {
  get<T extends ApiObject>(resource: Resource<T>, namespace: string, name: string): Promise<T>;
  list<T extends ApiObject>(resource: Resource<T>, options?: ListOptions): Promise<ObjectList<T>>;
  /** Ends when the server ends it; throws reason Expired when the version is too old. */
  watch<T extends ApiObject>(resource: Resource<T>, options: WatchOptions): AsyncIterable<WatchEvent<T>>;
  create<T extends ApiObject>(resource: Resource<T>, object: T): Promise<T>;
  update<T extends ApiObject>(resource: Resource<T>, object: T): Promise<T>;
  updateStatus<T extends ApiObject>(resource: Resource<T>, object: T): Promise<T>;
  /** A JSON merge patch. */
  patch<T extends ApiObject>(resource: Resource<T>, namespace: string, name: string, patch: object): Promise<T>;
  delete<T extends ApiObject>(
    resource: Resource<T>,
    namespace: string,
    name: string,
    preconditions?: { uid?: string },
  ): Promise<void>;
}

export interface Secret extends ApiObject {
  type?: string;
  /** Values are base64. */
  data?: Record<string, string>;
}

export interface Namespace extends ApiObject {
  status?: { phase?: string };
}

export interface Lease extends ApiObject {
  spec: {
    holderIdentity?: string;
    leaseDurationSeconds?: number;
    acquireTime?: string;
    renewTime?: string;
    leaseTransitions?: number;
  };
}

/** Where the pods of a Service are. A Service has one or more of them. */
export interface EndpointSlice extends ApiObject {
  addressType: 'IPv4' | 'IPv6' | 'FQDN';
  endpoints: Endpoint[] | null;
  ports: { name?: string; port?: number }[] | null;
}

export interface Endpoint {
  addresses: string[];
  conditions?: { ready?: boolean; serving?: boolean; terminating?: boolean };
  nodeName?: string;
  targetRef?: { kind?: string; name?: string };
}

export interface KubeNode extends ApiObject {
  spec?: { unschedulable?: boolean };
}

/** How many replicas of something there should be, and are. */
export interface Scale extends ApiObject {
  spec: { replicas?: number };
  status?: { replicas: number };
}

export interface ObjectReference {
  apiVersion: string;
  kind: string;
  namespace?: string | undefined;
  name: string;
  uid?: string | undefined;
}

export interface KubeEvent extends ApiObject {
  involvedObject: ObjectReference;
  type: 'Normal' | 'Warning';
  reason: string;
  message: string;
  count: number;
  firstTimestamp: string;
  lastTimestamp: string;
  source: { component: string };
  reportingComponent: string;
  reportingInstance: string;
}

const custom = <T extends KubeObject>(kind: string, plural: string): Resource<T> => ({
  apiVersion,
  kind,
  plural,
  namespaced: true,
});

export const microVms = custom<MicroVm>('MicroVM', 'microvms');
export const microVmPools = custom<MicroVmPool>('MicroVMPool', 'microvmpools');
export const microVmSnapshots = custom<MicroVmSnapshot>('MicroVMSnapshot', 'microvmsnapshots');
export const mcpSessions = custom<McpSession>('MCPSession', 'mcpsessions');
export const secrets: Resource<Secret> = { apiVersion: 'v1', kind: 'Secret', plural: 'secrets', namespaced: true };
export const events: Resource<KubeEvent> = { apiVersion: 'v1', kind: 'Event', plural: 'events', namespaced: true };
export const namespaces: Resource<Namespace> = {
  apiVersion: 'v1',
  kind: 'Namespace',
  plural: 'namespaces',
  namespaced: false,
};
export const leases: Resource<Lease> = {
  apiVersion: 'coordination.k8s.io/v1',
  kind: 'Lease',
  plural: 'leases',
  namespaced: true,
};

export const endpointSlices: Resource<EndpointSlice> = {
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  plural: 'endpointslices',
  namespaced: true,
};
export const kubeNodes: Resource<KubeNode> = { apiVersion: 'v1', kind: 'Node', plural: 'nodes', namespaced: false };
export const pods: Resource<ApiObject> = { apiVersion: 'v1', kind: 'Pod', plural: 'pods', namespaced: true };
/** Of Deployments; to get and to patch. */
export const deploymentScales: Resource<Scale> = {
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  plural: 'deployments',
  namespaced: true,
  subresource: 'scale',
};

/** "namespace/name", the key of an object in queues and caches. */
export function keyOf(object: { metadata: ObjectMeta }): string {
  return `${object.metadata.namespace ?? ''}/${object.metadata.name}`;
}

export function splitKey(key: string): { namespace: string; name: string } {
  const slash = key.indexOf('/');
  return { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

export function referenceTo(object: ApiObject): ObjectReference {
  const { namespace, name, uid } = object.metadata;
  return { apiVersion: object.apiVersion, kind: object.kind, namespace, name, uid };
}
