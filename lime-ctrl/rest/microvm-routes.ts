// /v1/microvms: declared machines. What is asked for is written as objects; the controllers do the rest.
import { z } from '@hono/zod-openapi';
import { TvmError } from '@tvm/api/errors.ts';
import { apiVersion } from '@tvm/api/kinds/meta.ts';
import type { MicroVm } from '@tvm/api/kinds/microvm.ts';
import {
  type MicroVmCreate,
  type MicroVmView,
  microVmCreate,
  microVmView,
  objectName,
} from '@tvm/api/rest/microvms.ts';
import type { Reflector } from '@tvm/kit/controller/reflector.ts';
import { type KubeClient, microVms } from '@tvm/kit/kube/client.ts';
import { type App, addEndpoint, isEventStream } from './endpoint.ts';
import { type LookupDeps, wakeMicroVm } from './machine-lookup.ts';
import { viewOf, watchStream } from './microvm-view.ts';
import { jsonResponse, streamResponse } from './responses.ts';

export const nameParams = z.object({ name: z.string().min(1).max(253) });
export const namespaceQuery = z.strictObject({
  namespace: objectName.optional().meta({ description: 'Default: "default".' }),
});
/** A watch ends then and is begun anew, with the rights of then. */
const watchMaxMs = 1_800_000;
const desiredStates = { start: 'Running', resume: 'Running', stop: 'Stopped', pause: 'Paused' } as const;

export interface MicroVmRouteDeps extends LookupDeps {
  microVms: Reflector<MicroVm>;
}

export function addMicroVmRoutes(app: App, deps: MicroVmRouteDeps): void {
  const { client } = deps;
  addEndpoint(app, {
    method: 'post',
    path: '/v1/microvms',
    summary: 'Declare a machine.',
    query: namespaceQuery,
    body: microVmCreate,
    answers: { status: 201, description: 'As it was declared.', content: { 'application/json': microVmView } },
    handle: async ({ namespace, body }) =>
      jsonResponse(viewOf(await client.create(microVms, objectOf(body, namespace))), 201),
  });
  addListRoute(app, deps);
  addEndpoint(app, {
    method: 'get',
    path: '/v1/microvms/{name}',
    summary: 'One machine.',
    params: nameParams,
    query: namespaceQuery,
    answers: { status: 200, description: 'As it is.', content: { 'application/json': microVmView } },
    handle: async ({ params, namespace }) => jsonResponse(viewOf(await client.get(microVms, namespace, params.name))),
  });
  addEndpoint(app, {
    method: 'delete',
    path: '/v1/microvms/{name}',
    summary: 'Destroy a machine.',
    params: nameParams,
    query: namespaceQuery,
    answers: { status: 202, description: 'It will be gone.', content: { 'application/json': microVmView } },
    handle: async ({ params, namespace }) => jsonResponse(await remove(client, namespace, params.name), 202),
  });
  for (const verb of Object.keys(desiredStates) as (keyof typeof desiredStates)[]) addVerbRoute(app, deps, verb);
}

function addListRoute(app: App, { client, microVms: reflector }: MicroVmRouteDeps): void {
  addEndpoint(app, {
    method: 'get',
    path: '/v1/microvms',
    summary: 'All machines; with Accept: text/event-stream, and every change from then on.',
    watchable: true,
    query: namespaceQuery.extend({
      allNamespaces: z.enum(['true', 'false']).optional(),
      labelSelector: z.string().max(1024).optional(),
    }),
    answers: {
      status: 200,
      description: 'The machines.',
      content: { 'application/json': z.object({ items: z.array(microVmView) }) },
    },
    handle: async ({ namespace: allowed, query, context, gone }) => {
      const namespace = allowed === '' ? undefined : allowed;
      if (isEventStream(context)) {
        const end = AbortSignal.any([gone, AbortSignal.timeout(watchMaxMs)]);
        return streamResponse(watchStream(reflector, namespace, end), 'text/event-stream');
      }
      const { items } = await client.list(microVms, { namespace, labelSelector: query.labelSelector });
      return jsonResponse({ items: items.map(viewOf) });
    },
  });
}

function addVerbRoute(app: App, deps: LookupDeps, verb: keyof typeof desiredStates): void {
  const { client } = deps;
  const patch = { spec: { desiredState: desiredStates[verb] } };
  addEndpoint(app, {
    method: 'post',
    path: `/v1/microvms/{name}/${verb}`,
    summary: `Set desiredState to ${desiredStates[verb]}.`,
    params: nameParams,
    query: namespaceQuery,
    answers: { status: 200, description: 'As it is declared now.', content: { 'application/json': microVmView } },
    handle: async ({ params, namespace }) => {
      const vm = await client.patch(microVms, namespace, params.name, patch);
      // A machine that rests because nobody used it is declared to run already.
      if (desiredStates[verb] === 'Running') await wakeMicroVm(deps, vm);
      return jsonResponse(viewOf(vm));
    },
  });
}

async function remove(client: KubeClient, namespace: string, name: string): Promise<MicroVmView> {
  const vm = await client.get(microVms, namespace, name);
  try {
    await client.delete(microVms, namespace, name, { uid: vm.metadata.uid ?? '' });
  } catch (error) {
    if (!(error instanceof TvmError && error.code === 'not_found')) throw error;
  }
  return { ...viewOf(vm), deleting: true };
}

function objectOf({ name, labels, spec }: MicroVmCreate & { spec: MicroVm['spec'] }, namespace: string): MicroVm {
  const named = name === undefined ? { generateName: 'vm-', name: undefined as never } : { name };
  return { apiVersion, kind: 'MicroVM', metadata: { ...named, namespace, ...(labels && { labels }) }, spec };
}
