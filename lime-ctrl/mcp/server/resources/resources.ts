// The resources of a machine as a server offers them. Invariant: one that the caller's scopes do not cover is neither listed nor
// read nor watched.
import {
  type McpServer,
  ProtocolError,
  ProtocolErrorCode,
  type Resource,
  ResourceTemplate,
} from '@modelcontextprotocol/server';
import type { SessionContext } from '../../contract.ts';
import { listFiles } from '../../machine/files.ts';
import { makeGuest } from '../../machine/guest.ts';
import type { ServerDeps } from '../build-server.ts';
import { mimeTypeOf } from '../file-content.ts';
import { innerHandler } from '../inner-handler.ts';
import { pageOf } from '../paging.ts';
import { ownProcesses } from '../tools/processes/list-processes.ts';
import { completePath } from './complete-path.ts';
import { checkScope, protocolError, readResource } from './read-resource.ts';
import { fileUri, parseResourceUri, type SelfView } from './resource-uri.ts';
import { maxWatched, watchResources } from './watch.ts';

const pageSize = 200;
/** Where people and programs put what they work on; the rest is a list_directory away. */
const listedFolder = '/root';

const selfTitles: Record<SelfView, [string, string]> = {
  status: ['Machine status', 'What the machine is and how it does.'],
  metrics: ['Machine metrics', 'Memory, disk, processor and processes.'],
  processes: ['Your processes', 'Those that you have started.'],
  ports: ['Ports', 'What can be reached from outside.'],
  policy: ['Policy', 'What the machine and you may do.'],
};

type Holder = { context: SessionContext };

export function offerResources(mcp: McpServer, deps: ServerDeps, holder: Holder): void {
  const { scopes } = holder.context;
  if (scopes.has('vm:read')) offerSelf(mcp, deps, holder);
  if (scopes.has('vm:exec')) offerExecutions(mcp, deps, holder);
  if (scopes.has('vm:files')) offerFiles(mcp, deps, holder);
  pageResources(mcp);
}

function offerSelf(mcp: McpServer, deps: ServerDeps, holder: Holder): void {
  for (const [view, [title, description]] of Object.entries(selfTitles)) {
    const config = { title, description, mimeType: 'application/json' };
    mcp.registerResource(view, `vm://self/${view}`, config, (uri, ctx) =>
      readResource(deps, holder.context, uri.href, ctx.mcpReq.signal),
    );
  }
}

function offerExecutions(mcp: McpServer, deps: ServerDeps, holder: Holder): void {
  const own = () => ownProcesses({ guest: makeGuest(holder.context, deps.clientOf), deps, context: holder.context });
  const template = new ResourceTemplate('exec://{id}/{channel}', {
    list: async () => ({
      resources: (await told(own())).flatMap(({ exec_id, command }) => outputsOf(exec_id, command)),
    }),
    complete: {
      id: async (value) => (await told(own())).map(({ exec_id }) => exec_id).filter((id) => id.startsWith(value)),
      channel: (value) => ['stdout', 'stderr'].filter((channel) => channel.startsWith(value)),
    },
  });
  const config = {
    title: 'Output of an execution',
    description: 'The last 256 KiB of stdout or stderr of what run_command or start_process has started.',
    mimeType: 'text/plain',
  };
  mcp.registerResource('execution', template, config, (uri, _variables, ctx) =>
    readResource(deps, holder.context, uri.href, ctx.mcpReq.signal),
  );
}

function outputsOf(id: string, command: string): Resource[] {
  return ['stdout', 'stderr'].map((channel) => ({
    uri: `exec://${id}/${channel}`,
    name: channel,
    description: command.slice(0, 200),
  }));
}

function offerFiles(mcp: McpServer, deps: ServerDeps, holder: Holder): void {
  const place = () => makeGuest(holder.context, deps.clientOf).place();
  const template = new ResourceTemplate('file:///{+path}', {
    list: async () => ({ resources: await told(place().then(listHome)) }),
    complete: { path: async (value) => completePath(await told(place()), value) },
  });
  const config = { title: 'A file', description: 'A file of the machine, or what is in a directory.' };
  mcp.registerResource('file', template, config, (uri, _variables, ctx) =>
    readResource(deps, holder.context, uri.href, ctx.mcpReq.signal),
  );
}

async function listHome(place: Parameters<typeof listFiles>[0]): Promise<Resource[]> {
  const files = await listFiles(place, listedFolder, 1).catch(() => []);
  return files.map(({ path, size }) => ({
    uri: fileUri(path),
    name: path.slice(path.lastIndexOf('/') + 1),
    mimeType: mimeTypeOf(path, true),
    size: Number(size),
  }));
}

async function told<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw protocolError(error);
  }
}

function pageResources(mcp: McpServer): void {
  const listAll = innerHandler(mcp, 'resources/list');
  mcp.server.setRequestHandler('resources/list', async (request, ctx) => {
    const all = (await listAll({ jsonrpc: '2.0', id: ctx.mcpReq.id, ...request }, ctx)) as { resources: Resource[] };
    const { items, ...rest } = pageOf(all.resources, request.params?.cursor, pageSize);
    return { resources: items, ...rest };
  });
}

/** resources/subscribe and unsubscribe of 2025-11-25; the subscriptions end with the connection. */
export function handleSubscriptions({ server }: McpServer, deps: ServerDeps, holder: Holder): void {
  const watched = new Map<string, AbortController>();
  server.setRequestHandler('resources/subscribe', ({ params: { uri } }) => {
    const name = parseResourceUri(uri);
    if (!name) return {};
    checkScope(holder.context, name);
    if (watched.has(uri)) return {};
    if (watched.size >= maxWatched) {
      throw new ProtocolError(ProtocolErrorCode.InvalidParams, `${maxWatched} resources are watched already`);
    }
    const ended = new AbortController();
    watched.set(uri, ended);
    const changed = () => void server.sendResourceUpdated({ uri }).catch(() => {});
    watchResources(deps, holder.context, [uri], changed, ended.signal);
    return {};
  });
  server.setRequestHandler('resources/unsubscribe', ({ params: { uri } }) => {
    watched.get(uri)?.abort();
    watched.delete(uri);
    return {};
  });
  server.onclose = () => {
    for (const ended of watched.values()) ended.abort();
    watched.clear();
  };
}
