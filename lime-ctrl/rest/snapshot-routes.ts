// /v1/snapshots, and snapshots and forks of machines. What is asked for is written as objects; the controllers do the rest.
import { z } from '@hono/zod-openapi';
import { TvmError } from '@tvm/api/errors.ts';
import { apiVersion } from '@tvm/api/kinds/meta.ts';
import type { MicroVmSnapshot } from '@tvm/api/kinds/microvm-snapshot.ts';
import {
  forkRequest,
  forkView,
  type SnapshotCreate,
  type SnapshotView,
  snapshotCreate,
  snapshotView,
} from '@tvm/api/rest/snapshots.ts';
import { type KubeClient, microVmSnapshots, microVms } from '@tvm/kit/kube/client.ts';
import { type App, addEndpoint } from './endpoint.ts';
import { forkMicroVm } from './fork.ts';
import type { LookupDeps } from './machine-lookup.ts';
import { nameParams, namespaceQuery } from './microvm-routes.ts';
import { viewOf } from './microvm-view.ts';
import { jsonResponse } from './responses.ts';

const oneSnapshot = { 'application/json': snapshotView };

export function addSnapshotRoutes(app: App, deps: LookupDeps): void {
  const { client } = deps;
  addEndpoint(app, {
    method: 'post',
    path: '/v1/microvms/{name}/snapshot',
    summary: 'Snapshot a running or paused machine.',
    params: nameParams,
    query: namespaceQuery,
    body: snapshotCreate,
    answers: { status: 201, description: 'As it was declared.', content: oneSnapshot },
    handle: async ({ params, namespace, body }) => {
      await client.get(microVms, namespace, params.name);
      const object = objectOf(body, namespace, params.name);
      return jsonResponse(snapshotViewOf(await client.create(microVmSnapshots, object)), 201);
    },
  });
  addEndpoint(app, {
    method: 'post',
    path: '/v1/microvms/{name}/fork',
    summary: 'Declare machines that continue this one, each on its own from this moment on.',
    params: nameParams,
    query: namespaceQuery,
    body: forkRequest,
    answers: { status: 201, description: 'As they were declared.', content: { 'application/json': forkView } },
    handle: async ({ params, namespace, body }) => {
      const { snapshot, children } = await forkMicroVm(deps, namespace, params.name, body);
      return jsonResponse({ snapshot, items: children.map(viewOf) }, 201);
    },
  });
  addSnapshotReading(app, client);
}

function addSnapshotReading(app: App, client: KubeClient): void {
  addEndpoint(app, {
    method: 'get',
    path: '/v1/snapshots',
    summary: 'All snapshots.',
    query: namespaceQuery,
    answers: {
      status: 200,
      description: 'The snapshots.',
      content: { 'application/json': z.object({ items: z.array(snapshotView) }) },
    },
    handle: async ({ namespace }) => {
      const { items } = await client.list(microVmSnapshots, { namespace });
      return jsonResponse({ items: items.map(snapshotViewOf) });
    },
  });
  addEndpoint(app, {
    method: 'get',
    path: '/v1/snapshots/{name}',
    summary: 'One snapshot.',
    params: nameParams,
    query: namespaceQuery,
    answers: { status: 200, description: 'As it is.', content: oneSnapshot },
    handle: async ({ params, namespace }) =>
      jsonResponse(snapshotViewOf(await client.get(microVmSnapshots, namespace, params.name))),
  });
  addEndpoint(app, {
    method: 'delete',
    path: '/v1/snapshots/{name}',
    summary: 'Delete a snapshot, with its files unless its deletionPolicy is Retain.',
    params: nameParams,
    query: namespaceQuery,
    answers: { status: 202, description: 'It will be gone.', content: oneSnapshot },
    handle: async ({ params, namespace }) => jsonResponse(await remove(client, namespace, params.name), 202),
  });
}

async function remove(client: KubeClient, namespace: string, name: string): Promise<SnapshotView> {
  const snapshot = await client.get(microVmSnapshots, namespace, name);
  try {
    await client.delete(microVmSnapshots, namespace, name, { uid: snapshot.metadata.uid ?? '' });
  } catch (error) {
    if (!(error instanceof TvmError && error.code === 'not_found')) throw error;
  }
  return { ...snapshotViewOf(snapshot), deleting: true };
}

function objectOf({ name, deletionPolicy = 'Delete' }: SnapshotCreate, namespace: string, microVM: string) {
  const generated = { generateName: `${microVM.slice(0, 50)}-`, name: undefined as never };
  const metadata = { ...(name === undefined ? generated : { name }), namespace };
  return { apiVersion, kind: 'MicroVMSnapshot', metadata, spec: { source: { microVM }, deletionPolicy } };
}

function snapshotViewOf({ metadata, spec, status = {} }: MicroVmSnapshot): SnapshotView {
  return {
    name: metadata.name,
    namespace: metadata.namespace ?? '',
    uid: metadata.uid ?? '',
    createdAt: metadata.creationTimestamp ?? '',
    deleting: metadata.deletionTimestamp !== undefined,
    microVM: spec.source.microVM,
    deletionPolicy: spec.deletionPolicy,
    status,
  };
}
