// tools/list and tools/call. Invariant: a tool is listed exactly when it can be called, by its caller's scopes.
import { type McpServer, ProtocolError, ProtocolErrorCode } from '@modelcontextprotocol/server';
import type { SessionContext } from '../contract.ts';
import type { ServerDeps } from './build-server.ts';
import { innerHandler } from './inner-handler.ts';
import { pageOf } from './paging.ts';
import { taskWishOf } from './tasks/task-wish.ts';
import type { Tool } from './tool.ts';

const pageSize = 100;

export function handleTools(
  mcp: McpServer,
  tools: readonly Tool[],
  deps: ServerDeps,
  holder: { context: SessionContext },
): void {
  const { server } = mcp;
  const listOthers = innerHandler(mcp, 'tools/list');
  const callOther = innerHandler(mcp, 'tools/call');
  const byName = new Map(tools.map((tool) => [tool.name, tool]));
  const allowed = ({ scope }: Tool) => holder.context.scopes.has(scope);

  server.setRequestHandler('tools/list', async (request, ctx) => {
    const own = tools.filter(allowed).map((tool) => tool.listing());
    const { tools: others } = (await listOthers({ jsonrpc: '2.0', id: ctx.mcpReq.id, ...request }, ctx)) as unknown as {
      tools: Record<string, unknown>[];
    };
    const { items, ...rest } = pageOf([...own, ...others], request.params?.cursor, pageSize);
    return { tools: items as never, ...rest };
  });

  server.setRequestHandler('tools/call', async (request, ctx) => {
    const { name, arguments: args } = request.params;
    const tool = byName.get(name);
    if (!tool) return (await callOther({ jsonrpc: '2.0', id: ctx.mcpReq.id, ...request }, ctx)) as never;
    if (!allowed(tool)) {
      throw new ProtocolError(
        ProtocolErrorCode.InvalidParams,
        `the token does not allow ${name}: it needs ${tool.scope}`,
      );
    }
    const canAsk = server.getClientCapabilities()?.elicitation !== undefined;
    const client = { taskWish: taskWishOf(request.params, ctx), canAsk };
    return (await tool.call(args, ctx, deps, holder.context, client)) as never;
  });
}
