// The MCP endpoint over HTTP for tests, in front of a local machine, and clients of both revisions of the protocol.
import { randomBytes } from 'node:crypto';
import type { Server } from 'node:http';
import { createAdaptorServer } from '@hono/node-server';
import { Client, type ClientOptions, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { systemClock } from '@tvm/kit/clock.ts';
import { type MemoryKube, makeMemoryKube } from '@tvm/kit/kube/memory-client.ts';
import { listen } from '@tvm/kit/listen.ts';
import { makeLogger } from '@tvm/kit/log.ts';
import { closeServer } from '@tvm/kit/metrics.ts';
import { type SessionContext, scopes } from '../mcp/contract.ts';
import { type EndpointDeps, type McpEndpoint, makeMcpEndpoint } from '../mcp/endpoint.ts';
import { transfersPath } from '../mcp/transfers.ts';
import { type LocalMachine, makeLocalMachine } from './local-machine.ts';

export const eras = ['legacy', 'modern'] as const;
export type Era = (typeof eras)[number];

export interface TestEndpoint extends AsyncDisposable {
  url: string;
  endpoint: McpEndpoint;
  local: LocalMachine;
  kube: MemoryKube;
  /** What the next requests come with. */
  context: SessionContext;
  /** Connected; closed with the endpoint. */
  connect(era: Era, options?: ClientOptions): Promise<Client>;
}

export async function startEndpoint(
  given: Partial<EndpointDeps> & { local?: LocalMachine; context?: Partial<SessionContext> } = {},
): Promise<TestEndpoint> {
  const local = given.local ?? makeLocalMachine();
  const key = randomBytes(32);
  const kube = makeMemoryKube();
  const endpoint = makeMcpEndpoint({
    clock: systemClock,
    log: makeLogger('test', 'silent'),
    client: kube,
    clientOf: () => local.client,
    machineOf: () => ({ node: 'node-a', machine: local.machine }),
    keys: async () => [key],
    version: 'test',
    replica: 'sole',
    ...given,
  });
  const clients: Client[] = [];
  const started: TestEndpoint = {
    url: '',
    endpoint,
    local,
    kube,
    context: { ...contextOf(local), ...given.context },
    async connect(era, options = {}) {
      const mode = era === 'legacy' ? 'legacy' : { pin: '2026-07-28' };
      const client = new Client({ name: 'test', version: '1' }, { ...options, versionNegotiation: { mode } });
      await client.connect(new StreamableHTTPClientTransport(new URL(started.url)));
      clients.push(client);
      return client;
    },
    async [Symbol.asyncDispose]() {
      for (const client of clients) await client.close();
      await endpoint[Symbol.asyncDispose]();
      await closeServer(server);
      await local[Symbol.asyncDispose]();
    },
  };
  const fetch = (request: Request) => {
    const { pathname } = new URL(request.url);
    if (!pathname.startsWith(transfersPath)) return endpoint.handle(request, started.context);
    return endpoint.transfer(request, pathname.slice(transfersPath.length));
  };
  const server = createAdaptorServer({ fetch }) as Server;
  started.url = `${await listen(server, { host: '127.0.0.1', port: 0 })}/sessions/session-1/mcp`;
  return started;
}

export function contextOf(local: LocalMachine): SessionContext {
  return {
    session: { uid: 'session-1', namespace: 'default', name: 'agent', userId: 'alice', groupId: 'everyone' },
    microVm: 'agent-vm',
    url: 'https://example.test/sessions/session-1/mcp',
    scopes: new Set(scopes),
    caller: 'alice',
    machine: async () => ({ node: 'node-a', machine: local.machine }),
    lastSeen: () => ({ node: 'node-a', machine: local.machine }),
    explain: async (thrown) => thrown,
    expectRestart() {},
    touch() {},
  };
}
