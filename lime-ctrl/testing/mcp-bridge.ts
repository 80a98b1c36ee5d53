// The MCP bridge over HTTP for tests, in front of a local machine with servers of both eras and some that misbehave.
import { mkdirSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { dirname, join } from 'node:path';
import { createAdaptorServer } from '@hono/node-server';
import { Client, type ClientOptions, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { systemClock } from '@tvm/kit/clock.ts';
import { listen } from '@tvm/kit/listen.ts';
import { makeLogger } from '@tvm/kit/log.ts';
import { closeServer } from '@tvm/kit/metrics.ts';
import { type Bridge, type BridgeDeps, makeBridge } from '../mcp/bridge/bridge.ts';
import { type McpServerSpec, mcpServersPath, type SessionContext } from '../mcp/contract.ts';
import { type LocalMachine, makeLocalMachine } from './local-machine.ts';
import { contextOf, type Era } from './mcp-endpoint.ts';

export interface TestBridge extends AsyncDisposable {
  /** Of the server of this name. */
  url(server: string): string;
  bridge: Bridge;
  local: LocalMachine;
  /** Further machines, by the name of their node. */
  nodes: Map<string, LocalMachine>;
  /** What the next requests come with. */
  context: SessionContext;
  /** Connected; closed with the bridge. */
  connect(era: Era, server: string, options?: ClientOptions): Promise<Client>;
  /** A request of 2026-07-28 as it is, and what it is answered. */
  call(server: string, method: string, params?: Record<string, unknown>): Promise<Record<string, unknown>>;
  /** Writes the servers down in the machine. */
  declare(servers: Record<string, McpServerSpec>): void;
}

const serverFile = new URL('./stdio-server.ts', import.meta.url).href;

/** The test server of an era. The machine's paths are not this computer's, so the file is named in a variable. */
const testServer = (era: string): McpServerSpec => ({
  command: 'node',
  args: ['--input-type=module', '-e', 'await import(process.env.SERVER)', '--', era],
  env: { SERVER: serverFile },
});

export const script = (source: string): McpServerSpec => ({ command: 'node', args: ['-e', source] });

export async function startBridge(given: Partial<BridgeDeps> = {}): Promise<TestBridge> {
  const local = makeLocalMachine();
  const nodes = new Map<string, LocalMachine>();
  const bridge = makeBridge({
    clock: systemClock,
    log: makeLogger('test', 'silent'),
    replica: 'sole',
    clientOf: (node) => (nodes.get(node) ?? local).client,
    ...given,
  });
  const clients: Client[] = [];
  let base = '';
  const started: TestBridge = {
    bridge,
    local,
    nodes,
    context: contextOf(local),
    url: (name) => `${base}/${name}`,
    declare(servers) {
      const file = join(local.root, mcpServersPath);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, JSON.stringify({ servers }));
    },
    async connect(era, name, options = {}) {
      const mode = era === 'legacy' ? 'legacy' : { pin: '2026-07-28' };
      const client = new Client({ name: 'test', version: '1' }, { ...options, versionNegotiation: { mode } });
      await client.connect(new StreamableHTTPClientTransport(new URL(started.url(name))));
      clients.push(client);
      return client;
    },
    async call(name, method, params = {}) {
      const response = await fetch(started.url(name), modernRequest(method, params));
      return (await response.json()) as Record<string, unknown>;
    },
    async [Symbol.asyncDispose]() {
      for (const client of clients) await client.close();
      await bridge[Symbol.asyncDispose]();
      await closeServer(server);
      await local[Symbol.asyncDispose]();
    },
  };
  const server = createAdaptorServer({
    fetch: (request: Request) => bridge.handle(request, started.context, new URL(request.url).pathname.slice(1)),
  }) as Server;
  base = await listen(server, { host: '127.0.0.1', port: 0 });
  started.declare({ legacy: testServer('legacy'), modern: testServer('modern') });
  return started;
}

export function modernRequest(method: string, params: Record<string, unknown>, id: string | number = 1): RequestInit {
  const name = params.name ?? params.uri;
  const _meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
    'io.modelcontextprotocol/clientCapabilities': { elicitation: {} },
  };
  return {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': method,
      ...(typeof name === 'string' && { 'mcp-name': name }),
    },
    body: JSON.stringify({ jsonrpc: '2.0', id, method, params: { ...params, _meta } }),
  };
}

export async function textOf(client: Client, name: string, args: Record<string, unknown> = {}): Promise<string> {
  const { content } = await client.callTool({ name, arguments: args });
  const [first] = content as { text: string }[];
  return first?.text ?? '';
}

export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 20));
}
