// /v1/disks: disks that outlive their MicroVM, as the nodes that answer tell.
import { z } from '@hono/zod-openapi';
import { TvmError } from '@tvm/api/errors.ts';
import { type DiskView, diskView } from '@tvm/api/rest/disks.ts';
import type { Fleet } from '../flintlock/fleet.ts';
import { retainedKey } from '../microvm/disks.ts';
import { type App, addEndpoint } from './endpoint.ts';
import type { LookupDeps } from './machine-lookup.ts';
import { nameParams, namespaceQuery } from './microvm-routes.ts';
import { jsonResponse } from './responses.ts';

const callDeadlineMs = 30_000;

export function addDiskRoutes(app: App, { fleet }: LookupDeps): void {
  addEndpoint(app, {
    method: 'get',
    path: '/v1/disks',
    summary: 'Disks that outlive their MicroVM.',
    query: namespaceQuery,
    answers: {
      status: 200,
      description: 'Of the nodes that answer.',
      content: { 'application/json': z.object({ items: z.array(diskView) }) },
    },
    handle: async ({ namespace }) =>
      jsonResponse({ items: (await disksOf(fleet)).filter((disk) => disk.namespace === namespace) }),
  });
  addEndpoint(app, {
    method: 'delete',
    path: '/v1/disks/{name}/{disk}',
    summary: 'Delete a disk that no machine has, with all that is on it.',
    params: nameParams.extend({ disk: z.string().min(1).max(20) }),
    query: namespaceQuery,
    answers: { status: 204, description: 'It is gone.' },
    handle: async ({ namespace, params }) => {
      await removeDisk(fleet, retainedKey(namespace, params.name, params.disk));
      return new Response(null, { status: 204 });
    },
  });
}

async function disksOf(fleet: Fleet): Promise<DiskView[]> {
  const nodes = fleet.nodes().filter(({ reachable }) => reachable);
  const lists = nodes.map(async ({ name: node }) => {
    const { disks } = await fleet.client(node).listDisks({}, { timeoutMs: callDeadlineMs });
    return disks.map(({ key, sizeMib, allocatedBytes, machineUid }) => {
      const [namespace = '', microVM = '', name = ''] = key.split('/');
      const size = { sizeMB: sizeMib, allocatedBytes: Number(allocatedBytes) };
      return { name, microVM, namespace, node, ...size, attached: machineUid !== '' };
    });
  });
  return (await Promise.all(lists)).flat();
}

async function removeDisk(fleet: Fleet, key: string): Promise<void> {
  await fleet.refresh();
  const holders = fleet.nodes().filter(({ reachable, info }) => reachable && info?.retainedDisks.includes(key));
  if (holders.length === 0) {
    const hint = '"vvm disk list" shows those there are; one on a node that does not answer is not seen.';
    throw new TvmError('not_found', `there is no disk ${key}`, { object: `disk/${key}`, hint });
  }
  for (const { name } of holders) await fleet.client(name).deleteDisk({ key }, { timeoutMs: callDeadlineMs });
  await fleet.refresh();
}
