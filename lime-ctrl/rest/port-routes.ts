// Ports of machines over HTTP: requests for the servers that listen there, and URLs for callers without a token.
// Invariant: the URL of a port is told to whom it is made for, and to nobody else.
import { z } from '@hono/zod-openapi';
import { portUrlRequest, portUrlView } from '@tvm/api/rest/ports.ts';
import type { Context } from 'hono';
import { pairsOf } from '../ports/headers.ts';
import { makePortUrl, portUrlsPath } from '../ports/port-urls.ts';
import { proxyRequest } from '../ports/proxy.ts';
import { type App, type AppEnv, addEndpoint, describeRoute, goneSignal } from './endpoint.ts';
import { findMachineToUse } from './machine-lookup.ts';
import { nameParams, namespaceQuery } from './microvm-routes.ts';
import { admitToPort, type PortTargetDeps, portPlaceOf, proxyRoutes } from './port-targets.ts';
import { jsonResponse } from './responses.ts';

const preflightAnswer = {
  'access-control-allow-origin': '*',
  'access-control-allow-methods': 'GET, HEAD, POST, PUT, PATCH, DELETE',
  'access-control-allow-headers': '*',
  'access-control-max-age': '600',
};

export function addPortRoutes(app: App, deps: PortTargetDeps): void {
  const [proxied] = proxyRoutes;
  const described = {
    method: 'get',
    path: proxied,
    summary:
      'The answer of the HTTP server that listens on this port inside the machine. Every method, and WebSockets. The namespace is that of the header Tvm-Namespace. Authorization, cookies and Origin do not reach the server.',
    params: nameParams.extend({ port: z.string(), path: z.string() }),
    answers: { status: 200, description: "The server's own." },
  } as const;
  describeRoute(app, described, `ANY ${proxied}`);
  for (const path of ['/v1/microvms/:name/ports/:port', `${portUrlsPath}:sealed`]) {
    for (const each of [path, `${path}/*`]) app.all(each, (context) => serve(deps, context));
  }
  addEndpoint(app, {
    method: 'post',
    path: '/v1/microvms/{name}/port-urls',
    summary: 'Make a URL for a port of the machine that works without a token until it expires.',
    params: nameParams,
    query: namespaceQuery,
    body: portUrlRequest,
    answers: { status: 201, description: 'The URL.', content: { 'application/json': portUrlView } },
    handle: async ({ namespace, params: { name }, body: { port, ttlSeconds } }) => {
      const { machine } = await findMachineToUse(deps, namespace, name);
      const request = { namespace, name, machine, port, ttlSeconds };
      const { url, expiresAtMs } = await makePortUrl(deps.portUrls, await deps.portUrls.base, request);
      return jsonResponse({ url, expiresAt: new Date(expiresAtMs).toISOString() }, 201);
    },
  });
}

async function serve(deps: PortTargetDeps, context: Context<AppEnv>): Promise<Response> {
  const { req, env } = context;
  const { pathname, search } = new URL(req.url);
  const place = portPlaceOf(pathname);
  if (!place) return context.notFound();
  const isUrl = place.by === 'url';
  if (isUrl && req.raw.method === 'OPTIONS' && req.header('access-control-request-method') !== undefined) {
    return new Response(null, { status: 204, headers: preflightAnswer });
  }
  // Links of a page are relative to the last slash.
  if (isUrl && place.rest === undefined) {
    return new Response(null, { status: 308, headers: { location: `${place.sealed}/${search}` } });
  }
  const { target, until } = await admitToPort(deps, place, {
    search,
    header: (name) => req.header(name),
    authenticate: async () => context.get('caller'),
  });
  const gone = goneSignal(context);
  return proxyRequest(target, {
    method: req.raw.method,
    headers: pairsOf(env.incoming.rawHeaders),
    body: req.raw.body,
    signal: until ? AbortSignal.any([gone, until]) : gone,
    cutOff: () => env.outgoing.destroy(),
  });
}
