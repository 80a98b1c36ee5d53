// Stdio MCP servers inside machines, reachable over HTTP by clients of both eras, whichever era the server speaks. A client
// of 2025-11-25 has a server of its own for each connection; clients of 2026-07-28 share one for each caller. Invariants: a
// server is reached by the caller that it was started for and by nobody else; it ends with its connection, with the session,
// with its machine, or when it is idle.
import { randomUUID } from 'node:crypto';
import { isInitializeRequest, isLegacyRequest } from '@modelcontextprotocol/server';
import { TvmError } from '@tvm/api/errors.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import type { Logger } from '@tvm/kit/log.ts';
import type { FlintlockClient, ServerHandler, SessionContext } from '../contract.ts';
import { makeGuest, type Place } from '../machine/guest.ts';
import { idHeldBy } from '../peers/holder.ts';
import { makeEventBudgets } from '../server/transport/event-budget.ts';
import { readJson } from '../server/transport/json-body.ts';
import { lostAnswer } from '../server/transport/lost-answer.ts';
import { rpcErrorResponse } from '../server/transport/rpc-error.ts';
import { type Child, type ChildDeps, startChild } from './child.ts';
import { clientOf } from './eras.ts';
import { type LegacyFront, makeLegacyFront } from './legacy-front.ts';
import { isRequest, type MessageId, type RpcRequest } from './messages.ts';
import { checkModern, idOf, refusal } from './modern-checks.ts';
import { serveRequest } from './modern-front.ts';
import { goneOf } from './mux.ts';
import { openLegacy } from './negotiate.ts';
import { findServer } from './registry.ts';
import { makeSharedServers, type Owner } from './shared-servers.ts';

const sweepMs = 30_000;
const idleMs = 600_000;
/** A client that listens and does nothing else is gone at last. */
const listenOnlyMs = 4 * 3_600_000;
const mostPerSession = 16;

export interface BridgeDeps {
  clock: Clock;
  log: Logger;
  /** The name of this replica among others. */
  replica: string;
  /** Throws not_found for a node that is not there. */
  clientOf(node: string): FlintlockClient;
  childBounds?: ChildDeps['bounds'];
}

export interface Bridge extends AsyncDisposable {
  /** Answers errors too: an Error is never thrown. */
  handle: ServerHandler;
  /** Whether this connection of the session waits for the message: true once for each that it waits for. */
  claim(sessionUid: string, connectionId: string, message: unknown): boolean;
  /** Ends the servers of a session that is over; with a name, only those of that name. */
  endSession(sessionUid: string, serverName?: string): Promise<void>;
  /** How many servers run. */
  readonly size: number;
}

interface Connection {
  owner: Owner;
  machineUid: string;
  front: LegacyFront;
  usedAtMs: number;
}

/** What can be ended to make room. */
interface Running {
  owner: Owner;
  usedAtMs: number;
  busy: boolean;
  end(): Promise<void>;
}

export function makeBridge(deps: BridgeDeps): Bridge {
  const { clock, log } = deps;
  const connections = new Map<string, Connection>();
  const shared = makeSharedServers(clock);
  const budgets = makeEventBudgets();
  const stop = new AbortController();
  const sweeping = sweepUntil(stop.signal);

  async function start(place: Place, { sessionUid, serverName }: Owner): Promise<Child> {
    const spec = await findServer(place, serverName);
    const own = running().filter(({ owner }) => owner.sessionUid === sessionUid);
    own.sort((a, b) => Number(a.busy) - Number(b.busy) || a.usedAtMs - b.usedAtMs);
    for (const { end } of own.slice(0, Math.max(0, own.length - mostPerSession + 1))) await end();
    return startChild(place, serverName, spec, { clock, log, ...(deps.childBounds && { bounds: deps.childBounds }) });
  }

  async function initialize(request: Request, body: RpcRequest, owner: Owner, place: Place): Promise<Response> {
    const child = await start(place, owner);
    const id = idHeldBy(deps.replica, randomUUID());
    const opened = openLegacy(child, body, clock);
    const budget = budgets.of(owner.sessionUid);
    const front = makeLegacyFront({ id, child, opened, budget, log, onClosed: () => void endConnection(id) });
    connections.set(id, { owner, machineUid: place.uid, front, usedAtMs: clock.now() });
    const response = await front.handle(request, body);
    if (!response.ok) await endConnection(id);
    return response;
  }

  async function serveLegacy(request: Request, body: unknown, owner: Owner, context: SessionContext) {
    if (isInitializeRequest(body))
      return initialize(request, body as unknown as RpcRequest, owner, await placeOf(context));
    const id = request.headers.get('mcp-session-id');
    if (!id) return withoutSession(request);
    const connection = connections.get(id);
    if (!connection || !isSame(connection.owner, owner)) {
      return lostAnswer(request.headers.get('last-event-id')) ?? rpcErrorResponse(404, -32001, 'Session not found');
    }
    connection.usedAtMs = clock.now();
    if (request.method !== 'DELETE' && !connection.front.ended) {
      const { uid } = await placeOf(context);
      if (uid !== connection.machineUid) await connection.front.close(machineReplaced());
    }
    return connection.front.handle(request, body);
  }

  async function serveModern(request: Request, body: unknown, owner: Owner, context: SessionContext) {
    const message = checkModern(request, body);
    if (message instanceof Response) return message;
    if (!isRequest(message)) return new Response(null, { status: 202 });
    const place = await placeOf(context);
    const server = await shared.get(owner, clientOf(message.params), place.uid, () => start(place, owner));
    return serveRequest(message, server.mux, request.signal, clock);
  }

  const placeOf = (context: SessionContext) => makeGuest(context, deps.clientOf).place();

  async function endConnection(id: string): Promise<void> {
    const connection = connections.get(id);
    connections.delete(id);
    await connection?.front.close();
  }

  function running(): Running[] {
    const own = [...connections].map(([id, { owner, usedAtMs, front }]) => {
      return { owner, usedAtMs, busy: front.busy, end: () => endConnection(id) };
    });
    const others = shared.all().map((server) => {
      const { owner, usedAtMs, mux } = server;
      return { owner, usedAtMs, busy: mux.open > 0, end: async () => shared.end(server) };
    });
    return [...own, ...others];
  }

  async function sweepUntil(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await clock.sleep(sweepMs, signal);
      const now = clock.now();
      for (const { busy, usedAtMs, end } of running()) {
        if (now - usedAtMs > (busy ? listenOnlyMs : idleMs)) await end();
      }
    }
  }

  return {
    async handle(request, context, serverName) {
      context.touch();
      const owner = { sessionUid: context.session.uid, caller: context.caller, serverName };
      const body = await readJson(request);
      if (body instanceof Response) return body;
      const id = idOf(body);
      if (!context.scopes.has('vm:exec')) return refusal(403, id, -32000, 'the token lacks the scope vm:exec');
      try {
        const legacy = await isLegacyRequest(request, body);
        return await (legacy ? serveLegacy : serveModern)(request, body, owner, context);
      } catch (thrown) {
        const error = TvmError.from(thrown);
        if (error.code === 'internal') log.error({ err: thrown, session: owner.sessionUid, serverName }, 'MCP bridge');
        return failure(id, error);
      }
    },
    claim(sessionUid, connectionId, message) {
      const connection = connections.get(connectionId);
      return connection?.owner.sessionUid === sessionUid && connection.front.claim(message);
    },
    async endSession(sessionUid, serverName) {
      const own = running().filter(({ owner }) => owner.sessionUid === sessionUid);
      for (const { owner, end } of own) if (serverName === undefined || owner.serverName === serverName) await end();
    },
    get size() {
      return running().length;
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await sweeping;
      for (const { end } of running()) await end();
    },
  };
}

const isSame = (a: Owner, b: Owner) =>
  a.sessionUid === b.sessionUid && a.caller === b.caller && a.serverName === b.serverName;

const machineReplaced = () =>
  new TvmError('unavailable', 'the machine was replaced by another', { reason: 'MachineReplaced' });

/** In a message where there was a request: that is what clients show to people. */
function failure(id: MessageId | null, error: TvmError): Response {
  if (id === null) return rpcErrorResponse(503, -32000, error.message);
  return Response.json(goneOf(id, error));
}

/** Revision 2026-07-28 has no GET and no DELETE. */
function withoutSession({ method, headers }: Request): Response {
  const modern = (headers.get('mcp-protocol-version') ?? '') >= '2026';
  if (method !== 'POST' && modern)
    return rpcErrorResponse(405, -32000, 'Method not allowed: this revision has POST only');
  return rpcErrorResponse(400, -32000, 'Bad Request: the Mcp-Session-Id header is missing');
}
