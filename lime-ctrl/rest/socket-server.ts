// WebSocket upgrades: who may open which stream. Invariants: token and rights are checked before the upgrade; a browser
// page of another origin is refused; every stream that was opened ends with `exited` or `error` unless the client left.
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { TvmError } from '@tvm/api/errors.ts';
import { toProblem } from '@tvm/api/rest/problem.ts';
import { maxStreamMessageBytes, streamSubprotocol } from '@tvm/api/rest/stream.ts';
import type { Logger } from '@tvm/kit/log.ts';
import { runInSpan, type Span, type Tracing } from '@tvm/kit/tracing/tracing.ts';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Access } from '../access/access.ts';
import { questionsOf, rulesOf } from '../access/route-rules.ts';
import type { Engine } from '../engine/engine.ts';
import { check, namespaceOf } from './endpoint.ts';
import { type ExecSocketDeps, serveExecSocket } from './exec-socket.ts';
import { serveExecuteSocket } from './execute-socket.ts';
import { findMachineToUse, type LookupDeps } from './machine-lookup.ts';
import { namespaceQuery } from './microvm-routes.ts';
import { makePortSockets, tunnelRoute } from './port-sockets.ts';
import { decoded, type PortTargetDeps } from './port-targets.ts';
import { problemHeaders } from './responses.ts';
import { closeSocket, makeSocketSession, type SocketSession } from './socket-session.ts';
import { beginUpgrade } from './traced-requests.ts';

export interface SocketServerDeps extends ExecSocketDeps, LookupDeps, PortTargetDeps {
  engine: Engine;
  access: Access;
  log: Logger;
  /** Undefined: streams are not traced. */
  tracing?: Tracing | undefined;
}

const goingAwayMs = 1_000;

type Serve = (session: SocketSession) => Promise<void>;

/** Takes the upgrades of the server. Disposing closes what is open, saying that the service restarts. */
export function acceptSockets(server: Server, deps: SocketServerDeps): Disposable {
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: maxStreamMessageBytes,
    perMessageDeflate: false,
    handleProtocols: (offered) => offered.has(streamSubprotocol) && streamSubprotocol,
  });
  const ports = makePortSockets(deps, refuseForeignOrigin);
  server.on('upgrade', async (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const requestId = randomUUID();
    socket.on('error', (error) => deps.log.debug({ err: error, requestId }, 'socket'));
    try {
      if (await ports.take({ request, socket, head })) return;
      const serve = await admitTraced(deps, request);
      sockets.handleUpgrade(request, socket, head, (opened) => void converse(deps.log, opened, serve, requestId));
    } catch (thrown) {
      refuse(socket, TvmError.from(thrown), requestId);
    }
  });
  return {
    [Symbol.dispose]() {
      for (const socket of sockets.clients) closeSocket(socket, 1012, 'the service restarts', goingAwayMs);
      sockets.close();
      ports[Symbol.dispose]();
    },
  };
}

/** The span of a stream lasts as long as the stream. */
async function admitTraced(deps: SocketServerDeps, request: IncomingMessage): Promise<Serve> {
  if (!deps.tracing) return await admit(deps, request);
  const span = beginUpgrade(deps.tracing, request);
  try {
    const serve = await span.in(() => admit(deps, request, span));
    return (session) => runInSpan(span, () => serve(session));
  } catch (error) {
    span.end(error);
    throw error;
  }
}

/** What to serve. Throws when the caller may not have it. */
async function admit(deps: SocketServerDeps, request: IncomingMessage, span?: Span): Promise<Serve> {
  refuseForeignOrigin(request);
  const caller = await deps.access.authenticate(request.headers.authorization);
  const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((each) => each.trim());
  if (!offered.includes(streamSubprotocol)) {
    throw new TvmError('invalid_argument', `the subprotocol ${streamSubprotocol} is not offered`);
  }
  const url = new URL(request.url ?? '/', 'http://localhost');
  const { route, name } = routeOf(url.pathname);
  span?.rename(`CONNECT ${route}`);
  const namespace = namespaceOf(check(namespaceQuery, Object.fromEntries(url.searchParams), 'query'), {});
  await deps.access.authorize(caller, questionsOf(rulesOf(`CONNECT ${route}`), { namespace, name }));
  if (route === '/v1/execute') return (session) => serveExecuteSocket(deps.engine, session, namespace);
  const machine = await findMachineToUse(deps, namespace, name);
  return (session) => serveExecSocket(deps, session, machine, caller);
}

/** Where streams are served. */
export const socketRoutes = ['/v1/execute', '/v1/microvms/{name}/exec', tunnelRoute] as const;

/** Throws not_found when no stream is served there. */
function routeOf(path: string): { route: Exclude<(typeof socketRoutes)[number], typeof tunnelRoute>; name: string } {
  if (path === '/v1/execute') return { route: path, name: '' };
  const name = /^\/v1\/microvms\/([^/]+)\/exec$/.exec(path)?.[1];
  if (name !== undefined) return { route: '/v1/microvms/{name}/exec', name: decoded(name) };
  throw new TvmError('not_found', `no stream is served at ${path}`);
}

function refuseForeignOrigin({ headers }: IncomingMessage): void {
  const { origin, host } = headers;
  if (origin === undefined) return;
  if (URL.canParse(origin) && new URL(origin).host === host) return;
  throw new TvmError('permission_denied', 'a page of another origin may not open streams');
}

async function converse(log: Logger, socket: WebSocket, serve: Serve, requestId: string): Promise<void> {
  const session = makeSocketSession(socket);
  try {
    await serve(session);
  } catch (thrown) {
    const error = TvmError.from(thrown, 'stream');
    if (error.code === 'internal') log.error({ err: error, requestId }, 'stream failed');
    await session.fail(error).catch((cause) => log.debug({ err: cause, requestId }, 'error not told'));
  } finally {
    session.close();
  }
}

function refuse(socket: Duplex, error: TvmError, requestId: string): void {
  const body = JSON.stringify(toProblem(error));
  const headers = {
    ...problemHeaders(error, requestId),
    'content-length': Buffer.byteLength(body),
    connection: 'close',
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${toProblem(error).status} Refused\r\n${lines.join('')}\r\n${body}`);
}
