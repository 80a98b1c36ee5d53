// The product's own endpoint with the fixture beside its tools, behind the gateway with its tokens and checks; the machine is
// a fake. Invariant: only tests put the fixture there.
import { InMemoryServerEventBus, type McpServer } from '@modelcontextprotocol/server';
import { makeMcpHandlers } from '@tvm/lime-ctrl/mcp/handlers.ts';
import { innerHandler } from '@tvm/lime-ctrl/mcp/server/inner-handler.ts';
import { startHarness } from '@tvm/lime-ctrl/testing/harness.ts';
import { makeSession, tokenOf, urlOf } from '@tvm/lime-ctrl/testing/sessions.ts';
import type { Target } from './conformance.ts';
import type { Changes } from './fixture/fixture.ts';
import { changesOverConnection, type Handler, installFixture } from './fixture/server.ts';

export interface OwnEndpoint extends AsyncDisposable {
  target: Target;
}

export async function startOwnEndpoint(): Promise<OwnEndpoint> {
  const bus = new InMemoryServerEventBus();
  const extension = { changes: bus, extend: (server: McpServer) => extend(server, bus) };
  const harness = await startHarness({
    makeHandlers: (deps, keys) => makeMcpHandlers({ ...deps, extension }, keys),
  });
  const session = await makeSession(harness, 'conformance');
  const url = urlOf(session).replace('127.0.0.1', 'localhost');
  return {
    target: { url, token: await tokenOf(harness, session) },
    [Symbol.asyncDispose]: () => harness[Symbol.asyncDispose](),
  };
}

function extend(mcp: McpServer, bus: InMemoryServerEventBus): void {
  const { server } = mcp;
  server.registerCapabilities({ tools: { listChanged: true }, prompts: { listChanged: true } });
  const connected = changesOverConnection(server);
  const changes: Changes = {
    toolsChanged: () => tell(() => connected.toolsChanged(), { kind: 'tools_list_changed' }),
    promptsChanged: () => tell(() => connected.promptsChanged(), { kind: 'prompts_list_changed' }),
    resourceUpdated: (uri) => tell(() => connected.resourceUpdated(uri), { kind: 'resource_updated', uri }),
  };

  /** Clients of 2025-11-25 hear it on their connection, those of 2026-07-28 on their subscriptions. */
  function tell(toConnection: () => void, event: Parameters<typeof bus.publish>[0]): void {
    if (server.getClientCapabilities() && server.transport?.sessionId) toConnection();
    bus.publish(event);
  }

  installFixture(server, changes, (method) => {
    try {
      return innerHandler(mcp, method) as unknown as Handler;
    } catch {
      return undefined;
    }
  });
}
