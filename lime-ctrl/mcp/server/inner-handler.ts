// The handler that the library has for a method, so that ours can answer what it adds and leave the rest. The library offers no
// way to it; its version is pinned, and tests of every list method break when the field goes.
import type { JSONRPCRequest, McpServer, Result, ServerContext } from '@modelcontextprotocol/server';

export type Handler = (request: JSONRPCRequest, ctx: ServerContext) => Promise<Result>;

export function innerHandler({ server }: McpServer, method: string): Handler {
  const handlers = (server as unknown as { _requestHandlers: Map<string, Handler> })._requestHandlers;
  const found = handlers.get(method);
  if (!found) throw new Error(`the library has no handler for ${method}`);
  return found;
}
