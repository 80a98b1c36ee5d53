// The routes of sessions on the REST server: /sessions/{id}/mcp and /sessions/{id}/servers/{name}/mcp, their metadata, and files
// by URL. Invariants: Host and Origin are checked before anything else, the token before anything about the session is told; a
// handler gets no credentials; each answer forbids caches and buffers; the URL of a file is in no log.
import { TvmError } from '@tvm/api/errors.ts';
import { bodyTooLarge } from '@tvm/api/rest/problem.ts';
import type { Logger } from '@tvm/kit/log.ts';
import type { Context } from 'hono';
import type { App, AppEnv } from '../rest/endpoint.ts';
import { cutWhenBroken, jsonResponse, problemResponse } from '../rest/responses.ts';
import { checkOrigin, type OriginRules } from './allowed-origins.ts';
import { type AuthenticateDeps, type Authenticated, authenticate } from './authenticate.ts';
import { admit, type Claim } from './awaited.ts';
import { insufficientScopeResponse, metadataOf, unauthorizedResponse } from './challenges.ts';
import type { ServerHandler, SessionContext, SessionHandler } from './contract.ts';
import { withCors } from './cors.ts';
import type { OnAnswered } from './metrics.ts';
import type { OpenRequests } from './open-requests.ts';
import { elsewhere, type Peer, type Peers, sendOn, whileLiving } from './peers/send-on.ts';
import type { SessionLimits, Use } from './session-limits.ts';
import { metadataPath, serverPath, sessionPath } from './sessions/session-url.ts';
import { transfersPath } from './transfers.ts';

const maxBodyBytes = 8_388_608;
const idPattern = /^[\w-]{1,64}$/;
const serverPattern = /^[\w.-]{1,64}$/;
const resourcePattern = /^\/sessions\/([\w-]{1,64})(?:\/servers\/([\w.-]{1,64}))?\/mcp$/;
/** They are the gateway's business, not that of what runs in a machine. */
const ownHeaders = ['authorization', 'proxy-authorization', 'cookie'];

export interface MountDeps extends AuthenticateDeps {
  /** The base of all URLs, as clients know it. */
  base: () => string;
  origins: () => OriginRules;
  limits: SessionLimits;
  open: OpenRequests;
  peers: Peers;
  contextOf: (authenticated: Authenticated, url: string) => SessionContext;
  endpoint: SessionHandler;
  bridge: ServerHandler;
  claim: Claim;
  transfer(request: Request, sealed: string): Promise<Response>;
  onAnswered: OnAnswered;
  log: Logger;
}

interface Target {
  uid: string;
  /** An MCP server inside the machine; undefined: the session itself. */
  server: string | undefined;
  /** The URL of it. */
  resource: string;
}

export function addSessionMount(app: App, deps: MountDeps): void {
  for (const path of ['/sessions/:id/mcp', '/sessions/:id/servers/:name/mcp']) {
    app.all(path, async (context) => {
      const beganMs = performance.now();
      const response = await answered(deps, context, () => serve(deps, context, targetOf(deps, context)));
      const route = context.req.param('name') === undefined ? 'session' : 'server';
      deps.onAnswered(route, response.status, performance.now() - beganMs);
      return response;
    });
  }
  app.all(`${transfersPath}:sealed`, (context) =>
    answered(deps, context, async () =>
      cutWhenBroken(await deps.transfer(context.req.raw, context.req.param('sealed')), context.env),
    ),
  );
  app.get(`${metadataPath}/*`, (context) => answered(deps, context, async () => metadata(deps, context.req.path)));
}

/** The path of the public URL comes after the well-known one, where no proxy takes it off. */
function metadata({ base }: MountDeps, path: string): Response {
  const prefix = new URL(base()).pathname.replace(/\/$/, '');
  const whole = path.slice(metadataPath.length);
  const [, uid, server] = resourcePattern.exec(whole.startsWith(prefix) ? whole.slice(prefix.length) : whole) ?? [];
  if (uid === undefined) throw notASession();
  return jsonResponse(metadataOf(resourceOf(base(), uid, server), base()));
}

function resourceOf(base: string, uid: string, server: string | undefined): string {
  return base + (server === undefined ? sessionPath(uid) : serverPath(uid, server));
}

/** What holds for each answer. */
async function answered(deps: MountDeps, context: Context<AppEnv>, serve: () => Promise<Response>): Promise<Response> {
  const { headers } = context.req.raw;
  const requestId = context.get('requestId');
  try {
    checkOrigin(deps.origins(), headers);
  } catch (error) {
    return problemResponse(error, requestId);
  }
  if (context.req.method === 'OPTIONS') return withCors(new Response(null, { status: 204 }), headers);
  const response = await serve().catch((thrown) => {
    const error = TvmError.from(thrown);
    if (error.code === 'internal') deps.log.error({ err: error, requestId }, 'request of a session failed');
    return problemResponse(error, requestId);
  });
  return withCors(response, headers);
}

/** Throws not_found for what no session has as its URL. */
function targetOf({ base }: MountDeps, { req }: Context<AppEnv>): Target {
  const { id: uid = '', name: server } = req.param() as Record<string, string | undefined>;
  if (!idPattern.test(uid) || (server !== undefined && !serverPattern.test(server))) {
    throw notASession();
  }
  return { uid, server, resource: resourceOf(base(), uid, server) };
}

function notASession(): TvmError {
  return new TvmError('not_found', 'that is not the URL of a session', { hint: 'vvm session list --output wide' });
}

async function serve(deps: MountDeps, context: Context<AppEnv>, { uid, server, resource }: Target): Promise<Response> {
  const { req } = context;
  if (req.query('access_token') !== undefined) {
    throw new TvmError('invalid_argument', 'a token belongs into the Authorization header, never into a URL', {
      reason: 'TokenInUrl',
      hint: 'URLs are logged: make a new token with "vvm session rotate NAME".',
    });
  }
  const given = { authorization: req.header('authorization'), base: deps.base(), uid };
  const caller = await authenticate(deps, given).catch((error: TvmError) => refusal(resource, error));
  if (caller instanceof Response) return caller;
  if (server !== undefined && !caller.scopes.has('vm:exec')) return insufficientScopeResponse(resource, ['vm:exec']);
  const gone = new AbortController();
  const at = elsewhere(deps.peers, req.raw.headers, uid, server);
  const target = { uid, server, isHere: at === undefined };
  const admitted = await admit(deps, requestFor(req.raw, resource, gone.signal), target);
  follow(deps, context, caller, { uid, use: admitted.use, gone });
  const request = at === undefined ? admitted.request : await sentOn(deps, context, at, admitted.request);
  if (request instanceof Response) return request;
  const session = deps.contextOf(caller, resource);
  session.touch();
  return server === undefined ? deps.endpoint(request, session) : deps.bridge(request, session, server);
}

/** Until it is answered, or its caller has left; that may have been while the token was checked. Throws canceled then. */
function follow(
  { open }: MountDeps,
  { env: { outgoing } }: Context<AppEnv>,
  { generation, expiresAtMs }: Authenticated,
  { uid, use, gone }: { uid: string; use: Use; gone: AbortController },
): void {
  if (outgoing.destroyed) {
    use.end();
    throw new TvmError('canceled', 'the caller went away');
  }
  const answered = open.add({ uid, generation, expiresAtMs, end: () => outgoing.destroy() });
  outgoing.once('close', () => {
    use.end();
    answered();
    if (!outgoing.writableFinished) gone.abort();
  });
}

/** The answer of the replica that it belongs to, or the request when it is to be served here. */
async function sentOn(
  { base, peers }: MountDeps,
  { req, env }: Context<AppEnv>,
  peer: Peer,
  request: Request,
): Promise<Response | Request> {
  const { method, headers, signal } = request;
  const living = whileLiving(peers, peer);
  env.outgoing.once('close', () => living[Symbol.dispose]());
  const body = new Uint8Array(await request.arrayBuffer());
  const url = new URL(new URL(req.url).pathname, peer.url);
  const { host } = new URL(base());
  const answer = await sendOn({ url, method, headers: req.raw.headers, host, body, signal, gone: living.signal });
  const again = method === 'GET' || method === 'HEAD' ? {} : { body };
  return answer ? cutWhenBroken(answer, env) : new Request(request.url, { method, headers, signal, ...again });
}

function refusal(resource: string, error: TvmError): Response {
  if (error.code === 'unauthenticated') return unauthorizedResponse(resource, error);
  throw error;
}

/** The request as handlers see it: no credentials, the public URL, a body of a bounded size. */
function requestFor(raw: Request, resource: string, signal: AbortSignal): Request {
  const headers = new Headers(raw.headers);
  for (const name of ownHeaders) headers.delete(name);
  const { method } = raw;
  if (method === 'GET' || method === 'HEAD') return new Request(resource, { method, headers, signal });
  const declared = headers.get('content-length');
  if (Number(declared ?? 0) > maxBodyBytes) throw tooLarge();
  // No more than was declared comes through the HTTP parser.
  const body = declared === null ? raw.body?.pipeThrough(bounded()) : raw.body;
  return new Request(resource, { method, headers, signal, ...(body && { body, duplex: 'half' as const }) });
}

function bounded(): TransformStream<Uint8Array, Uint8Array> {
  let size = 0;
  return new TransformStream({
    transform(chunk, controller) {
      size += chunk.length;
      if (size > maxBodyBytes) controller.error(tooLarge());
      else controller.enqueue(chunk);
    },
  });
}

function tooLarge(): TvmError {
  return new TvmError('invalid_argument', `the body has more than ${maxBodyBytes} bytes`, { reason: bodyTooLarge });
}
