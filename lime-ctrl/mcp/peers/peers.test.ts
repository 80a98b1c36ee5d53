// Several replicas behind one address that takes turns: connections that live in one of them are reached through each.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import test from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import type { McpServer, ServerContext } from '@modelcontextprotocol/server';
import { listen } from '@tvm/kit/listen.ts';
import fc from 'fast-check';
import { soleReplica } from '../../replicas/replicas.ts';
import { type Harness, startHarness } from '../../testing/harness.ts';
import { startBridge, textOf } from '../../testing/mcp-bridge.ts';
import { makeSession, tokenOf, urlOf } from '../../testing/sessions.ts';
import { type HandlersDeps, makeMcpHandlers } from '../handlers.ts';
import type { SessionKeys } from '../sessions/keys.ts';
import { holderOf, idHeldBy, withoutHolder } from './holder.ts';

test('an id names its holder while that one lives; else all choose the same one, whatever the order', () => {
  const names = fc.uniqueArray(fc.stringMatching(/^[a-z0-9.-]{1,20}$/), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(names, fc.nat(), fc.stringMatching(/^[\w.-]{1,40}$/), (living, pick, text) => {
      const own = living[pick % living.length] ?? '';
      const id = idHeldBy(own, text);
      assert.equal(withoutHolder(id), text);
      assert.equal(holderOf(id, living), own);
      const others = living.filter((each) => each !== own);
      assert.equal(holderOf(id, others), holderOf(id, others.toReversed()));
      assert.equal(holderOf(id, others) === undefined, others.length === 0);
      assert.match(id, /^[\x21-\x7e]+$/);
    }),
  );
});

const unanswered = /whether the request was carried out is not known/;
const nobody = 'http://127.0.0.1:1';

interface Pair extends AsyncDisposable {
  replicas: [Harness, Harness];
  living: string[];
  urls: Map<string, string>;
  /** `first`: the replica that gets its first request, and so holds the connection. */
  connect(server?: string, first?: 0 | 1): Promise<Client>;
  /** What a client of that connection is answered by the first replica. */
  call(connection: Client, tool: string): Promise<Response>;
  /** Both read anew who lives. */
  read(): void;
  /** How many requests each has got from clients. */
  asked: number[];
}

/** Asks its client something in the middle of a call. */
function extend(server: McpServer): void {
  server.registerTool('ask', {}, async (context: ServerContext) => {
    const params = { message: 'Who?', requestedSchema: { type: 'object' as const, properties: {} } };
    const { action } = await context.mcpReq.elicitInput(params, { relatedRequestId: context.mcpReq.id });
    return { content: [{ type: 'text' as const, text: action }] };
  });
  server.registerTool('hang', {}, ({ mcpReq: { signal } }: ServerContext) => {
    const { promise, reject } = Promise.withResolvers<never>();
    signal.addEventListener('abort', () => reject(signal.reason));
    return promise;
  });
}

async function startPair(): Promise<Pair> {
  const living = ['a', 'b'];
  const urls = new Map<string, string>();
  const bridge = await startBridge();
  const { local } = bridge;
  const makeHandlers = (deps: HandlersDeps, keys: SessionKeys) => {
    const clientOf = () => local.client;
    const handlers = makeMcpHandlers(
      { ...deps, fleet: { ...deps.fleet, client: clientOf }, extension: { extend } },
      keys,
    );
    const machine = async () => ({ node: 'node-a', machine: local.machine });
    const served: typeof handlers = {
      ...handlers,
      bridge: (request, context, name) => handlers.bridge(request, { ...context, machine }, name),
    };
    return served;
  };
  const settings = { makeHandlers, gateway: { publicUrl: 'https://tvm.example' } };
  const readers = new Set<() => void>();
  const replica = (own: string) => ({
    ...soleReplica(own),
    subscribe(reader: () => void) {
      readers.add(reader);
      return () => readers.delete(reader);
    },
    living: () => living,
    urlOf: (name: string) => urls.get(name) ?? nobody,
  });
  const first = await startHarness({ ...settings, replicas: replica('a') });
  const { kube, flintlock } = first;
  const second = await startHarness({ ...settings, kube, flintlock, follower: true, replicas: replica('b') });
  urls.set('a', first.url);
  urls.set('b', second.url);
  const session = await makeSession(first, 'agent');
  const token = await tokenOf(first, session);
  const replicas: Pair['replicas'] = [first, second];
  const asked = [0, 0];
  const clients: Client[] = [];
  let turn = 0;
  const inTurn: typeof fetch = (input, init) => {
    turn = 1 - turn;
    asked[turn] = (asked[turn] ?? 0) + 1;
    const at = replicas[urls.has('b') ? turn : 0];
    return fetch(new URL(new URL(String(input)).pathname, at?.url), init);
  };
  return {
    replicas,
    living,
    urls,
    asked,
    read: () => {
      for (const reader of [...readers]) reader();
    },
    call({ transport }, name) {
      const headers = {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-session-id': transport?.sessionId ?? '',
      };
      const body = JSON.stringify({ jsonrpc: '2.0', id: 'x', method: 'tools/call', params: { name, arguments: {} } });
      return fetch(new URL(new URL(urlOf(session)).pathname, first.url), { method: 'POST', headers, body });
    },
    async connect(server, first) {
      let next = first;
      const chosen: typeof fetch = (input, init) => {
        if (next !== undefined) turn = 1 - next;
        next = undefined;
        return inTurn(input, init);
      };
      const path = server === undefined ? '/mcp' : `/servers/${server}/mcp`;
      const options = { capabilities: { elicitation: {} }, versionNegotiation: { mode: 'legacy' as const } };
      const client = new Client({ name: 'test', version: '1' }, options);
      client.setRequestHandler('elicitation/create', async () => ({ action: 'decline' as const }));
      const requestInit = { headers: { authorization: `Bearer ${token}` } };
      const url = new URL(urlOf(session).replace(/\/mcp$/, path));
      await client.connect(new StreamableHTTPClientTransport(url, { fetch: chosen, requestInit }));
      clients.push(client);
      return client;
    },
    async [Symbol.asyncDispose]() {
      for (const client of clients) await client.close();
      if (urls.has('b')) await second[Symbol.asyncDispose]();
      await first[Symbol.asyncDispose]();
      await bridge[Symbol.asyncDispose]();
    },
  };
}

test('two replicas behind one address', { timeout: 30_000 }, async (t) => {
  await using pair = await startPair();
  await t.test('what a call asks its client is answered, whichever replica gets the answer', async () => {
    const client = await pair.connect();
    for (let time = 0; time < 3; time += 1) assert.equal(await textOf(client, 'ask'), 'decline');
    assert.ok(pair.asked.every((count) => count > 3));
  });
  await t.test('a server inside the machine is one process for a connection, and remembers', async () => {
    const client = await pair.connect('legacy');
    const other = await pair.connect('legacy');
    for (const count of ['1', '2', '3']) assert.equal(await textOf(client, 'count'), count);
    assert.equal(await textOf(other, 'count'), '1');
  });
  await t.test('a replica that falls silent is waited for while it is taken for alive, no longer', async () => {
    const client = await pair.connect(undefined, 1);
    const silent = createServer((socket) => socket.on('error', () => {}));
    const there = pair.urls.get('b') ?? '';
    const taken = once(silent, 'connection');
    pair.urls.set('b', await listen(silent, { host: '127.0.0.1', port: 0 }));
    const call = pair.call(client, 'ask');
    await taken;
    pair.read();
    assert.equal(await Promise.race([call, setTimeout(100)]), undefined);
    pair.living.pop();
    pair.read();
    const response = await call;
    assert.deepEqual([response.status, ((await response.json()) as { reason: string }).reason], [503, 'ReplicaGone']);
    pair.living.push('b');
    pair.urls.set('b', there);
    silent.close();
  });
  await t.test(
    'a replica that goes: its connections are opened again at the other, be it still taken for alive',
    async () => {
      const held = await pair.connect(undefined, 1);
      const clients = [held, await pair.connect(undefined, 0)];
      const call = assert.rejects(textOf(held, 'hang'), unanswered);
      await setTimeout(300);
      await pair.replicas[1][Symbol.asyncDispose]();
      pair.urls.delete('b');
      for (const living of [['a', 'b'], ['a']]) {
        pair.living.splice(0, 2, ...living);
        for (const client of clients) assert.equal(await textOf(client, 'ask'), 'decline');
      }
      await call;
    },
  );
});
