// The MCP server of one session, the same for both revisions of the protocol: what the caller's scopes cover, and no more.
import { McpServer } from '@modelcontextprotocol/server';
import type { Clock } from '@tvm/kit/clock.ts';
import type { Logger } from '@tvm/kit/log.ts';
import type { FlintlockClient, SessionContext } from '../contract.ts';
import type { Seal } from '../seal.ts';
import type { CallLimit } from './call-limit.ts';
import { instructions } from './instructions.ts';
import { allTools } from './tools/all-tools.ts';

export interface ServerDeps {
  clock: Clock;
  log: Logger;
  /** Throws not_found for a node that is not there. */
  clientOf(node: string): FlintlockClient;
  seal: Seal;
  limit: CallLimit;
  /** Of this program. */
  version: string;
}

export async function buildServer(deps: ServerDeps, holder: { context: SessionContext }): Promise<McpServer> {
  const server = new McpServer(
    { name: 'trashfire-vending-machine', title: 'A machine of your own', version: deps.version },
    {
      instructions,
      capabilities: { logging: {}, tools: {}, prompts: {}, resources: { subscribe: true }, completions: {} },
    },
  );
  for (const tool of allTools) {
    if (holder.context.scopes.has(tool.scope)) tool.register(server, deps, holder);
  }
  return server;
}
