// What can be looked at: processes, logs and use of a machine; nodes, pools and images of the whole.
import { z } from '@hono/zod-openapi';
import type { MachineUsage } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import { processView, statusView, usageView } from '@tvm/api/rest/microvms.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import type { Pool } from '../engine/pool.ts';
import type { Fleet } from '../flintlock/fleet.ts';
import { type App, addEndpoint } from './endpoint.ts';
import { findMachine, type LookupDeps } from './machine-lookup.ts';
import { nameParams, namespaceQuery } from './microvm-routes.ts';
import { cutWhenBroken, jsonResponse, streamResponse } from './responses.ts';

const callDeadlineMs = 30_000;
const imageView = z.object({
  node: z.string(),
  reference: z.string(),
  digest: z.string(),
  sizeBytes: z.int(),
  createdAt: z.string(),
});

export interface InspectDeps extends LookupDeps {
  pool: Pool;
  clock: Pick<Clock, 'now'>;
  version: string;
}

export function addInspectRoutes(app: App, deps: InspectDeps): void {
  addProcessRoutes(app, deps);
  addLogRoute(app, deps);
  addEndpoint(app, {
    method: 'get',
    path: '/v1/status',
    summary: 'Nodes and pools.',
    answers: { status: 200, description: 'As they are now.', content: { 'application/json': statusView } },
    handle: () => jsonResponse(statusOf(deps)),
  });
  addEndpoint(app, {
    method: 'get',
    path: '/v1/images',
    summary: 'Images that nodes have.',
    answers: {
      status: 200,
      description: 'Of the nodes that answer.',
      content: { 'application/json': z.object({ images: z.array(imageView) }) },
    },
    handle: async () => jsonResponse({ images: await imagesOf(deps.fleet) }),
  });
}

function addProcessRoutes(app: App, deps: InspectDeps): void {
  addEndpoint(app, {
    method: 'get',
    path: '/v1/microvms/{name}/processes',
    summary: 'Processes started by exec.',
    params: nameParams,
    query: namespaceQuery,
    answers: {
      status: 200,
      description: 'Running, or kept and ended.',
      content: { 'application/json': z.object({ processes: z.array(processView) }) },
    },
    handle: async ({ namespace, params }) => {
      const { client, uid } = await findMachine(deps, namespace, params.name);
      const { processes } = await client.listProcesses({ uid }, { timeoutMs: callDeadlineMs });
      const views = processes.map(({ id, pid, argv, exited }) => ({
        id,
        pid,
        argv,
        ...(exited && { exitCode: exited.code }),
      }));
      return jsonResponse({ processes: views });
    },
  });
  addEndpoint(app, {
    method: 'get',
    path: '/v1/microvms/{name}/metrics',
    summary: 'What the machine uses.',
    params: nameParams,
    query: namespaceQuery,
    answers: { status: 200, description: 'Now.', content: { 'application/json': usageView } },
    handle: async ({ namespace, params }) => {
      const { client, uid } = await findMachine(deps, namespace, params.name);
      return jsonResponse(usageOf(await client.getUsage({ uid }, { timeoutMs: callDeadlineMs })));
    },
  });
}

function usageOf({ guest, vmmResidentBytes, vmmCpuTimeMs, diskTraffic, networkTraffic }: MachineUsage) {
  return {
    memoryTotalBytes: Number(guest?.memoryTotalBytes ?? 0n),
    memoryAvailableBytes: Number(guest?.memoryAvailableBytes ?? 0n),
    diskTotalBytes: Number(guest?.diskTotalBytes ?? 0n),
    diskFreeBytes: Number(guest?.diskFreeBytes ?? 0n),
    cpuTimeMs: Number(guest?.cpuTimeMs ?? 0n),
    processCount: guest?.processCount ?? 0,
    vmmResidentBytes: Number(vmmResidentBytes),
    vmmCpuTimeMs: Number(vmmCpuTimeMs),
    ...(diskTraffic && {
      diskTraffic: {
        readBytes: Number(diskTraffic.readBytes),
        writtenBytes: Number(diskTraffic.writtenBytes),
        reads: Number(diskTraffic.reads),
        writes: Number(diskTraffic.writes),
      },
    }),
    ...(networkTraffic && {
      networkTraffic: {
        receivedBytes: Number(networkTraffic.receivedBytes),
        sentBytes: Number(networkTraffic.sentBytes),
      },
    }),
  };
}

const maxUint32 = 4_294_967_295;

const logQuery = namespaceQuery.extend({
  follow: z.stringbool().default(false).meta({ description: 'Go on until the machine ends.' }),
  tailBytes: z.coerce.number().int().min(0).max(maxUint32).default(0).meta({ description: '0: all there is.' }),
  tailLines: z.coerce.number().int().min(0).max(maxUint32).default(0).meta({ description: '0: all there is.' }),
  sinceSeconds: z.coerce.number().int().min(0).max(maxUint32).default(0).meta({ description: '0: all there is.' }),
  timestamps: z.stringbool().default(false).meta({ description: 'The time before each line, as RFC 3339 in UTC.' }),
  source: z
    .enum(['console', 'stdout', 'stderr'])
    .optional()
    .meta({ description: 'console: kernel and agent; else the command of the machine. Default: all.' }),
});

function addLogRoute(app: App, deps: InspectDeps): void {
  addEndpoint(app, {
    method: 'get',
    path: '/v1/microvms/{name}/logs',
    summary: 'Console and command output, oldest first.',
    params: nameParams,
    query: logQuery,
    answers: { status: 200, description: 'The text.', content: { 'text/plain': z.string() } },
    handle: async ({ namespace, params, query, context, gone }) => {
      const { client, uid } = await findMachine(deps, namespace, params.name);
      const { follow, tailBytes, tailLines, sinceSeconds, timestamps, source = '' } = query;
      const sinceMs = sinceSeconds === 0 ? 0n : BigInt(deps.clock.now() - sinceSeconds * 1000);
      const request = { uid, follow, tailBytes, tailLines, sinceMs, timestamps, source };
      const text = streamResponse(dataOf(client.readLogs(request, { signal: gone })), 'text/plain; charset=utf-8');
      return cutWhenBroken(text, context.env);
    },
  });
}

async function* dataOf(chunks: AsyncIterable<{ data: Uint8Array }>): AsyncIterable<Uint8Array> {
  for await (const { data } of chunks) yield data;
}

function statusOf({ fleet, pool, version }: InspectDeps): z.infer<typeof statusView> {
  const machines = fleet.machines();
  const nodes = fleet.nodes().map(({ name, reachable, info }) => ({
    name,
    reachable,
    driver: info?.driver ?? '',
    accelerator: info?.accelerator ?? '',
    acceleratorReason: info?.acceleratorReason ?? '',
    confinement: info?.confinement ?? '',
    confinementReason: info?.confinementReason ?? '',
    networksUnavailable: info?.networksUnavailable ?? '',
    limitsUnavailable: info?.limitsUnavailable ?? '',
    cpus: info?.cpus ?? 0,
    memoryMiB: Number(info?.memoryMib ?? 0n),
    memoryFreeMiB: Number(info?.memoryFreeMib ?? 0n),
    machines: machines.filter(({ node }) => node === name).length,
  }));
  return { version, nodes, pools: pool.view() };
}

async function imagesOf(fleet: Fleet): Promise<z.infer<typeof imageView>[]> {
  const reachable = fleet.nodes().filter((node) => node.reachable);
  const lists = await Promise.all(
    reachable.map(async ({ name }) => {
      const { images } = await fleet.client(name).listImages({}, { timeoutMs: callDeadlineMs });
      return images.map(({ reference, digest, sizeBytes, createdAtMs }) => ({
        node: name,
        reference,
        digest,
        sizeBytes: Number(sizeBytes),
        createdAt: new Date(Number(createdAtMs)).toISOString(),
      }));
    }),
  );
  return lists.flat();
}
