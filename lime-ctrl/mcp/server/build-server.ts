// The MCP server of one session, the same for both revisions of the protocol: what the caller's scopes cover, and no more.
import { McpServer } from '@modelcontextprotocol/server';
import type { Clock } from '@tvm/kit/clock.ts';
import type { KubeClient } from '@tvm/kit/kube/client.ts';
import type { Logger } from '@tvm/kit/log.ts';
import type { FlintlockClient, PlacedMachine, SessionContext } from '../contract.ts';
import type { Seal } from '../seal.ts';
import type { Background } from './background.ts';
import type { CallLimit } from './call-limit.ts';
import { iconsOf } from './icons.ts';
import { instructions } from './instructions.ts';
import { offerPrompts } from './prompts/prompts.ts';
import { handleSubscriptions, offerResources } from './resources/resources.ts';
import { handleTasks } from './tasks/task-handlers.ts';
import { tasksExtension } from './tasks/task-wish.ts';
import type { Tasks } from './tasks/tasks.ts';
import { handleTools } from './tool-handlers.ts';
import { allTools } from './tools/all-tools.ts';

export interface ServerDeps {
  clock: Clock;
  log: Logger;
  /** Throws not_found for a node that is not there. */
  clientOf(node: string): FlintlockClient;
  machineOf(uid: string): PlacedMachine | undefined;
  client: KubeClient;
  seal: Seal;
  limit: CallLimit;
  background: Background;
  tasks: Tasks;
  /** A client that takes tasks gets a plain result when it comes within this. */
  taskAfterMs: number;
  /** The longest life of a URL of a port; 0: none are given out. */
  portUrlSeconds: number;
  /** Of this program. */
  version: string;
}

/** `modern`: it speaks revision 2026-07-28, else 2025-11-25. */
export async function buildServer(
  deps: ServerDeps,
  holder: { context: SessionContext },
  modern: boolean,
): Promise<McpServer> {
  const server = new McpServer(
    {
      name: 'trashfire-vending-machine',
      title: 'A machine of your own',
      version: deps.version,
      icons: iconsOf('vm:admin'),
    },
    {
      instructions,
      cacheHints,
      capabilities: { ...capabilities, ...(modern ? modernCapabilities : legacyCapabilities) },
    },
  );
  handleTools(server, allTools, deps, holder);
  handleTasks(server, deps, holder, modern);
  offerResources(server, deps, holder);
  if (!modern) handleSubscriptions(server, deps, holder);
  offerPrompts(server, deps, holder);
  return server;
}

const capabilities = {
  logging: {},
  tools: { listChanged: false },
  prompts: { listChanged: false },
  resources: { subscribe: true, listChanged: false },
  completions: {},
};
/** Lists of tools and prompts change with the scopes of a token and with a new version alone. */
const cacheHints = {
  'tools/list': { ttlMs: 300_000, cacheScope: 'private' },
  'prompts/list': { ttlMs: 300_000, cacheScope: 'private' },
  'resources/templates/list': { ttlMs: 300_000, cacheScope: 'private' },
  'server/discover': { ttlMs: 300_000, cacheScope: 'private' },
} as const;
const modernCapabilities = { extensions: { [tasksExtension]: {} } };
const legacyCapabilities = { tasks: { list: {}, cancel: {}, requests: { tools: { call: {} } } } };
