// /v1/sessions: MCP sessions, declared, and their tokens. What is asked for is written as objects; the controller does the rest.
import { z } from '@hono/zod-openapi';
import { TvmError } from '@tvm/api/errors.ts';
import { type McpSession, sessionFinalizer } from '@tvm/api/kinds/mcp-session.ts';
import { apiVersion } from '@tvm/api/kinds/meta.ts';
import {
  type CheckedSessionCreate,
  type SessionToken,
  type SessionView,
  sessionCreate,
  sessionToken,
  sessionView,
} from '@tvm/api/rest/sessions.ts';
import { type KubeClient, mcpSessions } from '@tvm/kit/kube/client.ts';
import type { Caller } from '../access/access.ts';
import type { SessionTokens } from '../mcp/sessions/tokens.ts';
import { endedAtMs } from '../mcp-session/end.ts';
import { isOwned } from '../mcp-session/names.ts';
import { findSecret, tokenIn } from '../mcp-session/observe.ts';
import { generationOf } from '../mcp-session/token-plan.ts';
import { type App, addEndpoint } from './endpoint.ts';
import { nameParams, namespaceQuery } from './microvm-routes.ts';
import { jsonResponse } from './responses.ts';

const oneSession = { 'application/json': sessionView };
const named = { params: nameParams, query: namespaceQuery };
const rotateAttempts = 5;

export interface SessionRouteDeps {
  client: KubeClient;
  sessionTokens: SessionTokens;
}

export function addSessionRoutes(app: App, deps: SessionRouteDeps): void {
  const { client } = deps;
  addEndpoint(app, {
    method: 'post',
    path: '/v1/sessions',
    summary: 'Declare an MCP session.',
    query: namespaceQuery,
    body: sessionCreate,
    answers: { status: 201, description: 'As it was declared.', content: oneSession },
    handle: async ({ namespace, body, context }) =>
      jsonResponse(viewOf(await client.create(mcpSessions, objectOf(body, namespace, context.get('caller')))), 201),
  });
  addEndpoint(app, {
    method: 'get',
    path: '/v1/sessions/{name}/token',
    summary: 'The token of a session, and the URL that it is for.',
    ...named,
    answers: { status: 200, description: 'As they are now.', content: { 'application/json': sessionToken } },
    handle: async ({ params, namespace }) =>
      jsonResponse(await tokenOf(deps, await client.get(mcpSessions, namespace, params.name)), 200),
  });
  addEndpoint(app, {
    method: 'post',
    path: '/v1/sessions/{name}/rotate',
    summary: 'Make a new token, and refuse all older ones from now on.',
    ...named,
    answers: { status: 200, description: 'As it is declared now.', content: oneSession },
    handle: async ({ params, namespace }) => jsonResponse(viewOf(await rotate(client, namespace, params.name))),
  });
  addSessionReading(app, client);
}

function addSessionReading(app: App, client: KubeClient): void {
  addEndpoint(app, {
    method: 'get',
    path: '/v1/sessions',
    summary: 'All MCP sessions.',
    query: namespaceQuery,
    answers: {
      status: 200,
      description: 'The sessions.',
      content: { 'application/json': z.object({ items: z.array(sessionView) }) },
    },
    handle: async ({ namespace }) =>
      jsonResponse({ items: (await client.list(mcpSessions, { namespace })).items.map(viewOf) }),
  });
  addEndpoint(app, {
    method: 'get',
    path: '/v1/sessions/{name}',
    summary: 'One MCP session.',
    ...named,
    answers: { status: 200, description: 'As it is.', content: oneSession },
    handle: async ({ params, namespace }) =>
      jsonResponse(viewOf(await client.get(mcpSessions, namespace, params.name))),
  });
  addEndpoint(app, {
    method: 'delete',
    path: '/v1/sessions/{name}',
    summary: 'End a session; a machine that it made goes with it.',
    ...named,
    answers: { status: 202, description: 'It will be gone.', content: oneSession },
    handle: async ({ params, namespace }) => {
      const session = await client.get(mcpSessions, namespace, params.name);
      await client.delete(mcpSessions, namespace, params.name, { uid: session.metadata.uid ?? '' });
      return jsonResponse({ ...viewOf(session), deleting: true }, 202);
    },
  });
}

/** Throws failed_precondition for a session that is over, unavailable while its token is being made. */
async function tokenOf({ client, sessionTokens }: SessionRouteDeps, session: McpSession): Promise<SessionToken> {
  const { name, namespace } = session.metadata;
  const object = `mcpsession/${namespace}/${name}`;
  if (session.metadata.deletionTimestamp || endedAtMs(session) !== undefined) {
    throw new TvmError('failed_precondition', `session ${name} is over`, {
      object,
      reason: 'SessionOver',
      hint: 'Make a new one: vvm session create.',
    });
  }
  const secret = await findSecret(client, session);
  const token = secret && isOwned(secret, session) ? tokenIn(secret) : '';
  const facts = token === '' ? undefined : await sessionTokens.inspect(token);
  if (facts && facts.session.uid === session.metadata.uid && facts.generation >= generationOf(session)) {
    const { audience: url, expiresAtMs, scopes } = facts;
    return { url, token, expiresAt: new Date(expiresAtMs).toISOString(), scopes: [...scopes] };
  }
  const why = session.status?.conditions?.find(({ type }) => type === 'Ready')?.message;
  throw new TvmError('unavailable', `session ${name} has no token yet${why ? `: ${why}` : ''}`, {
    object,
    reason: 'NoToken',
    retryAfterSeconds: 1,
  });
}

async function rotate(client: KubeClient, namespace: string, name: string): Promise<McpSession> {
  for (let attempt = 1; ; attempt += 1) {
    const session = await client.get(mcpSessions, namespace, name);
    const { resourceVersion } = session.metadata;
    const patch = { metadata: { resourceVersion }, spec: { tokenGeneration: generationOf(session) + 1 } };
    try {
      return await client.patch(mcpSessions, namespace, name, patch);
    } catch (error) {
      if (!(error instanceof TvmError && error.code === 'aborted') || attempt === rotateAttempts) throw error;
    }
  }
}

function objectOf({ name, spec = {} }: CheckedSessionCreate, namespace: string, caller: Caller): McpSession {
  const named = name === undefined ? { generateName: 'session-', name: undefined as never } : { name };
  const metadata = { ...named, namespace, finalizers: [sessionFinalizer] };
  const { userId = caller.user, groupId = caller.groups[0] ?? caller.user, ...more } = spec;
  return { apiVersion, kind: 'MCPSession', metadata, spec: { ...more, userId, groupId } };
}

function viewOf({ metadata, spec, status = {} }: McpSession): SessionView {
  const { name, namespace = '', uid = '', creationTimestamp: createdAt = '', deletionTimestamp } = metadata;
  return { name, namespace, uid, createdAt, deleting: deletionTimestamp !== undefined, spec, status };
}
