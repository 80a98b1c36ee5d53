// Connections of revision 2025-11-25: each has a server and a transport in this process until its client ends it.
// Invariants: a connection answers only to the caller and the scopes that it was made for; what its id says of it is sealed,
// so that another replica, or this one after a restart, opens the connection again under the same id.
import { randomUUID } from 'node:crypto';
import { isInitializeRequest, type McpServer } from '@modelcontextprotocol/server';
import { TvmError } from '@tvm/api/errors.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import type { Logger } from '@tvm/kit/log.ts';
import type { SessionContext } from '../../contract.ts';
import { idHeldBy, withoutHolder } from '../../peers/holder.ts';
import type { Seal } from '../../seal.ts';
import { makeEventBudgets } from './event-budget.ts';
import { type EventStore, makeEventStore } from './event-store.ts';
import { LegacyTransport } from './legacy-transport.ts';
import { lostAnswer } from './lost-answer.ts';
import { rpcErrorResponse } from './rpc-error.ts';
import { withEnd } from './with-end.ts';

const maxPerSession = 64;
const idleMs = 4 * 3_600_000;
const maxEnded = 4_096;
const maxIdLength = 4_096;
const eventBounds = { events: 1_024, bytes: 4_194_304 };
const purpose = 'mcp-session-id';
/** Headers of a stream that is silent at first go out with it. */
const hello = new TextEncoder().encode(': open\n\n');

/** The connection's context: that of the newest request, since a token is renewed while the connection lives. */
export interface ContextHolder {
  context: SessionContext;
}

export interface LegacyDeps {
  clock: Clock;
  log: Logger;
  seal: Seal;
  /** The name of this replica among others. */
  replica: string;
  buildServer(holder: ContextHolder): Promise<McpServer>;
}

interface Connection {
  holder: ContextHolder;
  transport: LegacyTransport;
  server: McpServer;
  events: EventStore;
  usedAtMs: number;
  /** Requests and streams that are open. */
  open: number;
}

/** How a connection was initialized: enough to open it again. */
interface Handshake {
  nonce: string;
  params: unknown;
}

export interface LegacySessions {
  serve(request: Request, body: unknown, context: SessionContext): Promise<Response>;
  /** Whether this connection of the session waits for the message: true once for each that it waits for. */
  claim(sessionUid: string, id: string, message: unknown): boolean;
  /** Ends the connections of a session that is over. */
  endSession(sessionUid: string): Promise<void>;
  /** Ends connections that nobody has used for long. */
  sweep(): Promise<void>;
  /** Lets go of connections that other replicas hold: their clients come back there. */
  release(isOwn: (id: string) => boolean): Promise<void>;
  closeAll(): Promise<void>;
}

export function makeLegacySessions(deps: LegacyDeps): LegacySessions {
  const { clock, log, seal } = deps;
  const connections = new Map<string, Connection>();
  const opening = new Map<string, Promise<Connection>>();
  const ended = new Set<string>();
  const budgets = makeEventBudgets();

  async function connect(id: string, context: SessionContext): Promise<Connection> {
    await makeRoom(context.session.uid);
    const holder = { context };
    const server = await deps.buildServer(holder);
    const events = makeEventStore(eventBounds, budgets.of(context.session.uid));
    const transport = new LegacyTransport({ id, events, onClosed: forget });
    transport.onerror = (error) => log.debug({ why: error.message }, 'MCP connection');
    await server.connect(transport);
    const connection = { holder, transport, server, events, usedAtMs: clock.now(), open: 0 };
    connections.set(id, connection);
    return connection;
  }

  /** Its client has ended it: it is not opened again. */
  function forget(id: string): void {
    connections.delete(id);
    ended.add(id);
    for (const oldest of ended) {
      if (ended.size <= maxEnded) return;
      ended.delete(oldest);
    }
  }

  /** Ends the connection that was not used for longest. Throws resource_exhausted when all of them are in use. */
  async function makeRoom(sessionUid: string): Promise<void> {
    const own = [...connections].filter(([, { holder }]) => holder.context.session.uid === sessionUid);
    if (own.length < maxPerSession) return;
    const [idle] = own.filter(([, { open }]) => open === 0).toSorted(([, a], [, b]) => a.usedAtMs - b.usedAtMs);
    if (!idle) throw new TvmError('resource_exhausted', `${maxPerSession} connections of this session are in use`);
    await end(idle[0]);
  }

  async function answer(connection: Connection, request: Request, body: unknown): Promise<Response> {
    connection.open += 1;
    const closed = () => {
      connection.open -= 1;
      connection.usedAtMs = clock.now();
    };
    try {
      const response = await connection.transport.serve(request, body);
      return withEnd(response, closed, request.method === 'GET' && response.ok ? hello : undefined);
    } catch (error) {
      closed();
      throw error;
    }
  }

  async function end(id: string): Promise<void> {
    const connection = connections.get(id);
    connections.delete(id);
    await connection?.server.close();
  }

  async function initialize(request: Request, body: unknown, context: SessionContext): Promise<Response> {
    const { params } = body as { params: unknown };
    const handshake: Handshake = { nonce: randomUUID(), params };
    const id = idHeldBy(deps.replica, await seal.close(purpose, bindingOf(context), handshake));
    if (id.length > maxIdLength) return rpcErrorResponse(400, -32600, 'the client says too much of itself');
    const response = await answer(await connect(id, context), request, body);
    if (!response.ok) await end(id);
    return response;
  }

  /** The connection of this id, opened again when it is not here. Undefined when the id is not the caller's. */
  async function find(id: string, context: SessionContext, url: string): Promise<Connection | undefined> {
    const handshake = (await seal.open(purpose, bindingOf(context), withoutHolder(id))) as Handshake | undefined;
    if (!handshake || ended.has(id)) return undefined;
    const open = connections.get(id) ?? (await reopenOnce(id, handshake, context, url));
    open.usedAtMs = clock.now();
    open.holder.context = context;
    return open;
  }

  /** Clients send several requests at once. */
  function reopenOnce(id: string, handshake: Handshake, context: SessionContext, url: string): Promise<Connection> {
    const underWay = opening.get(id) ?? reopen(id, handshake, context, url).finally(() => opening.delete(id));
    opening.set(id, underWay);
    return underWay;
  }

  async function reopen(id: string, { params }: Handshake, context: SessionContext, url: string): Promise<Connection> {
    const connection = await connect(id, context);
    const messages = [
      { jsonrpc: '2.0', id: 0, method: 'initialize', params },
      { jsonrpc: '2.0', method: 'notifications/initialized' },
    ];
    for (const message of messages) {
      const headers = {
        accept: 'application/json, text/event-stream',
        'content-type': 'application/json',
        'mcp-session-id': id,
      };
      const request = new Request(url, { method: 'POST', headers, body: '{}' });
      const answer = await connection.transport.serve(request, message);
      await answer.text();
    }
    return connection;
  }

  return {
    async serve(request, body, context) {
      if (isInitializeRequest(body)) return initialize(request, body, context);
      const id = request.headers.get('mcp-session-id');
      if (!id) return withoutSession(request);
      const connection = id.length <= maxIdLength ? await find(id, context, request.url) : undefined;
      if (!connection) return rpcErrorResponse(404, -32001, 'Session not found');
      const lastEventId = request.headers.get('last-event-id');
      if (lastEventId === null || connection.events.holds(lastEventId)) return answer(connection, request, body);
      if (!connection.events.isOfAnother(lastEventId)) {
        return rpcErrorResponse(400, -32000, 'Bad Request: there is no such event any more');
      }
      // Of the connection as it was before it was opened again. Of what it listens to, what comes from now on is what there is.
      return lostAnswer(lastEventId) ?? answer(connection, withoutLastEvent(request), body);
    },
    claim(sessionUid, id, message) {
      const connection = connections.get(id);
      return connection?.holder.context.session.uid === sessionUid && connection.transport.claim(message);
    },
    async endSession(sessionUid) {
      const own = [...connections].filter(([, { holder }]) => holder.context.session.uid === sessionUid);
      for (const [id] of own) await end(id);
    },
    async sweep() {
      const before = clock.now() - idleMs;
      for (const [id, { usedAtMs, open }] of connections) if (open === 0 && usedAtMs < before) await end(id);
    },
    async release(isOwn) {
      for (const [id, { open, transport }] of connections) {
        if (isOwn(id)) continue;
        if (open === 0) await end(id);
        else transport.closeStandaloneSSEStream();
      }
    },
    async closeAll() {
      for (const id of [...connections.keys()]) await end(id);
    },
  };
}

function withoutLastEvent(request: Request): Request {
  const headers = new Headers(request.headers);
  headers.delete('last-event-id');
  return new Request(request, { headers });
}

/** Revision 2026-07-28 has no GET and no DELETE. */
function withoutSession({ method, headers }: Request): Response {
  const modern = (headers.get('mcp-protocol-version') ?? '') >= '2026';
  if (method !== 'POST' && modern)
    return rpcErrorResponse(405, -32000, 'Method not allowed: this revision has POST only');
  return rpcErrorResponse(400, -32000, 'Bad Request: the Mcp-Session-Id header is missing');
}

/** A token with other scopes is another caller: which tools there are was decided when the connection was made. */
function bindingOf({ session, caller, scopes }: SessionContext): string {
  return JSON.stringify([session.uid, caller, [...scopes].sort()]);
}
