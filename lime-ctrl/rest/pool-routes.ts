// /v1/pools: machines that wait, declared. What is asked for is written as objects; the controller does the rest.
import { z } from '@hono/zod-openapi';
import { apiVersion } from '@tvm/api/kinds/meta.ts';
import type { MicroVmPool } from '@tvm/api/kinds/microvm-pool.ts';
import { type PoolView, poolCreate, poolScale, poolView } from '@tvm/api/rest/pools.ts';
import { type KubeClient, microVmPools } from '@tvm/kit/kube/client.ts';
import { type App, addEndpoint } from './endpoint.ts';
import { nameParams, namespaceQuery } from './microvm-routes.ts';
import { jsonResponse } from './responses.ts';

const onePool = { 'application/json': poolView };
const named = { params: nameParams, query: namespaceQuery };

export function addPoolRoutes(app: App, { client }: { client: KubeClient }): void {
  addEndpoint(app, {
    method: 'post',
    path: '/v1/pools',
    summary: 'Declare machines that wait.',
    query: namespaceQuery,
    body: poolCreate,
    answers: { status: 201, description: 'As they were declared.', content: onePool },
    handle: async ({ namespace, body: { name, spec } }) => {
      const object = { apiVersion, kind: 'MicroVMPool', metadata: { name, namespace }, spec };
      return jsonResponse(viewOf(await client.create(microVmPools, object)), 201);
    },
  });
  addEndpoint(app, {
    method: 'post',
    path: '/v1/pools/{name}/scale',
    summary: 'Change how many wait.',
    ...named,
    body: poolScale,
    answers: { status: 200, description: 'As it is declared now.', content: onePool },
    handle: async ({ params, namespace, body }) =>
      jsonResponse(viewOf(await client.patch(microVmPools, namespace, params.name, { spec: body }))),
  });
  addPoolReading(app, client);
}

function addPoolReading(app: App, client: KubeClient): void {
  addEndpoint(app, {
    method: 'get',
    path: '/v1/pools',
    summary: 'All pools.',
    query: namespaceQuery,
    answers: {
      status: 200,
      description: 'The pools.',
      content: { 'application/json': z.object({ items: z.array(poolView) }) },
    },
    handle: async ({ namespace }) =>
      jsonResponse({ items: (await client.list(microVmPools, { namespace })).items.map(viewOf) }),
  });
  addEndpoint(app, {
    method: 'get',
    path: '/v1/pools/{name}',
    summary: 'One pool.',
    ...named,
    answers: { status: 200, description: 'As it is.', content: onePool },
    handle: async ({ params, namespace }) =>
      jsonResponse(viewOf(await client.get(microVmPools, namespace, params.name))),
  });
  addEndpoint(app, {
    method: 'delete',
    path: '/v1/pools/{name}',
    summary: 'Delete a pool; its machines go.',
    ...named,
    answers: { status: 202, description: 'It will be gone.', content: onePool },
    handle: async ({ params, namespace }) => {
      const pool = await client.get(microVmPools, namespace, params.name);
      await client.delete(microVmPools, namespace, params.name, { uid: pool.metadata.uid ?? '' });
      return jsonResponse(viewOf(pool), 202);
    },
  });
}

function viewOf({ metadata, spec, status = {} }: MicroVmPool): PoolView {
  return {
    name: metadata.name,
    namespace: metadata.namespace ?? '',
    uid: metadata.uid ?? '',
    createdAt: metadata.creationTimestamp ?? '',
    spec,
    status,
  };
}
