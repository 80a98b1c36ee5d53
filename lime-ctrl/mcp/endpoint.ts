// The MCP endpoint of sessions: revisions 2025-11-25 and 2026-07-28 on one URL, told apart by the request itself.
// Invariant: no request is served with more than its own context; a body is read once, and only so far.
import { isLegacyRequest, type McpServer, type ServerEventBus } from '@modelcontextprotocol/server';
import { TvmError } from '@tvm/api/errors.ts';
import { longestPortUrlSeconds } from '@tvm/api/rest/ports.ts';
import { insufficientScopeResponse } from './challenges.ts';
import type { SessionContext, SessionHandler } from './contract.ts';
import { makeSeal, type SealKeys } from './seal.ts';
import { makeBackground } from './server/background.ts';
import { buildServer, type ServerDeps } from './server/build-server.ts';
import { makeCallLimit } from './server/call-limit.ts';
import { watchResources } from './server/resources/watch.ts';
import { missingScope } from './server/scopes.ts';
import { makeTasks } from './server/tasks/tasks.ts';
import { readJson } from './server/transport/json-body.ts';
import { makeLegacySessions } from './server/transport/legacy-sessions.ts';
import { serveModern } from './server/transport/modern.ts';
import { rpcErrorResponse } from './server/transport/rpc-error.ts';
import { serveTransfer } from './transfers.ts';

const sweepMs = 60_000;

/** What tests add to every server, beside the tools of machines. */
export interface EndpointExtension {
  extend(server: McpServer): void;
  /** Changes that all subscriptions of revision 2026-07-28 hear of. */
  changes?: ServerEventBus;
}

export interface EndpointDeps
  extends Omit<ServerDeps, 'seal' | 'limit' | 'background' | 'tasks' | 'taskAfterMs' | 'portUrlSeconds'> {
  keys: SealKeys;
  /** The name of this replica among others. */
  replica: string;
  /** A client that takes tasks gets a plain result when it comes within this. Default: 5 seconds. */
  taskAfterMs?: number;
  /** The longest life of a URL of a port; 0: none are given out. Default: an hour. */
  portUrlSeconds?: number;
  extension?: EndpointExtension;
}

export interface McpEndpoint extends AsyncDisposable {
  handle: SessionHandler;
  /** Answers GET and PUT of a URL that get_transfer_url gave out; `sealed` is its last part. */
  transfer(request: Request, sealed: string): Promise<Response>;
  /** Whether this connection of the session waits for the message: true once for each that it waits for. */
  claim(sessionUid: string, connectionId: string, message: unknown): boolean;
  /** Ends the connections of a session that is over. */
  endSession(sessionUid: string): Promise<void>;
  /** Lets go of connections that other replicas hold. */
  release(isOwn: (id: string) => boolean): Promise<void>;
}

export function makeMcpEndpoint({ keys, replica, extension, ...given }: EndpointDeps): McpEndpoint {
  const { clock, log } = given;
  const background = makeBackground(log);
  const parts = { seal: makeSeal(keys), limit: makeCallLimit(), background, tasks: makeTasks(clock) };
  const deps: ServerDeps = { taskAfterMs: 5_000, portUrlSeconds: longestPortUrlSeconds, ...given, ...parts };
  const stop = new AbortController();

  async function build(holder: { context: SessionContext }, modern: boolean): Promise<McpServer> {
    const server = await buildServer(deps, holder, modern);
    extension?.extend(server);
    return server;
  }

  const legacy = makeLegacySessions({
    clock,
    log,
    replica,
    seal: deps.seal,
    buildServer: (holder) => build(holder, false),
  });
  const sweeping = sweepUntil(stop.signal);

  async function sweepUntil(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await clock.sleep(sweepMs, signal);
      await legacy.sweep();
    }
  }

  async function serve(request: Request, context: SessionContext): Promise<Response> {
    const body = await readJson(request);
    if (body instanceof Response) return body;
    const needed = missingScope(body, context);
    if (needed) return insufficientScopeResponse(context.url, [needed]);
    if (await isLegacyRequest(request, body)) return legacy.serve(request, body, context);
    const modern = {
      clock,
      log,
      buildServer: () => build({ context }, true),
      watch: (uris: string[], bus: ServerEventBus, ended: AbortSignal) =>
        watchResources(deps, context, uris, (uri) => bus.publish({ kind: 'resource_updated', uri }), ended),
      ...(extension?.changes && { changes: extension.changes }),
    };
    return serveModern(request, body, modern, stop.signal);
  }

  return {
    async handle(request, context) {
      context.touch();
      try {
        return await serve(request, context);
      } catch (thrown) {
        const error = TvmError.from(thrown);
        if (error.code === 'resource_exhausted') return rpcErrorResponse(429, -32000, error.message);
        log.error({ err: error, session: context.session.uid }, 'MCP request failed');
        return rpcErrorResponse(500, -32603, error.code);
      }
    },
    transfer: (request, sealed) => serveTransfer(deps, request, sealed),
    claim: legacy.claim,
    endSession: legacy.endSession,
    release: legacy.release,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await sweeping;
      await legacy.closeAll();
      await background[Symbol.asyncDispose]();
    },
  };
}
