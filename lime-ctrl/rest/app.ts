// The REST application: every route, and what holds for all of them: request ids, tokens, problems, no caching.
import { randomUUID } from 'node:crypto';
import { OpenAPIHono } from '@hono/zod-openapi';
import { TvmError } from '@tvm/api/errors.ts';
import type { Logger } from '@tvm/kit/log.ts';
import type { Tracing } from '@tvm/kit/tracing/tracing.ts';
import type { Access } from '../access/access.ts';
import type { Engine } from '../engine/engine.ts';
import { addDiskRoutes } from './disk-routes.ts';
import { docsPage } from './docs-page.ts';
import type { App, AppEnv } from './endpoint.ts';
import { addExecuteRoutes } from './execute-routes.ts';
import { addFileRoutes } from './file-routes.ts';
import { addInspectRoutes, type InspectDeps } from './inspect-routes.ts';
import { addMicroVmRoutes, type MicroVmRouteDeps } from './microvm-routes.ts';
import { addPoolRoutes } from './pool-routes.ts';
import { addPortRoutes } from './port-routes.ts';
import type { PortTargetDeps } from './port-targets.ts';
import { jsonResponse, problemResponse } from './responses.ts';
import { loggablePath } from './secret-paths.ts';
import { addSessionRoutes, type SessionRouteDeps } from './session-routes.ts';
import { addSnapshotRoutes } from './snapshot-routes.ts';
import { traceRequests } from './traced-requests.ts';

export interface AppDeps extends MicroVmRouteDeps, InspectDeps, SessionRouteDeps, Pick<PortTargetDeps, 'portUrls'> {
  engine: Engine;
  access: Access;
  log: Logger;
  /** Undefined: requests are not traced. */
  tracing?: Tracing | undefined;
  /** Adds the routes of MCP sessions, whose callers have tokens of their own. */
  addGatewayRoutes?: (app: App) => void;
}

const goneCodes = new Set(['canceled']);

export function makeApp(deps: AppDeps): App {
  const app = new OpenAPIHono<AppEnv>();
  if (deps.tracing) app.use(traceRequests(deps.tracing));
  app.use(async (context, next) => {
    const given = context.req.header('x-request-id');
    const requestId = given && /^[\w.-]{1,64}$/.test(given) ? given : randomUUID();
    context.set('requestId', requestId);
    await next();
    context.res.headers.set('x-request-id', requestId);
  });
  app.use('/v1/*', async (context, next) => {
    context.set('access', deps.access);
    context.set('caller', await deps.access.authenticate(context.req.header('authorization')));
    await next();
  });
  app.onError((thrown, context) => {
    const error = TvmError.from(thrown);
    const requestId = context.get('requestId');
    if (error.code === 'internal')
      deps.log.error({ err: error, requestId, path: loggablePath(context.req.path) }, 'request failed');
    else if (!goneCodes.has(error.code)) deps.log.debug({ err: error, requestId }, 'request refused');
    return problemResponse(error, requestId);
  });
  app.notFound((context) => {
    const error = new TvmError('not_found', `${context.req.method} ${loggablePath(context.req.path)} is not served`, {
      hint: 'See /docs for what is.',
    });
    return problemResponse(error, context.get('requestId') ?? randomUUID());
  });
  addExecuteRoutes(app, deps);
  addMicroVmRoutes(app, deps);
  addSnapshotRoutes(app, deps);
  addDiskRoutes(app, deps);
  addPoolRoutes(app, deps);
  addSessionRoutes(app, deps);
  addFileRoutes(app, deps);
  addInspectRoutes(app, deps);
  addPortRoutes(app, deps);
  deps.addGatewayRoutes?.(app);
  addDescription(app, deps.version);
  return app;
}

function addDescription(app: App, version: string): void {
  app.openAPIRegistry.registerComponent('securitySchemes', 'bearer', {
    type: 'http',
    scheme: 'bearer',
    description:
      'On one machine a token of the tokens file. In a cluster a token of the cluster, such as "kubectl create token" gives; what its user may do is what RBAC allows on the custom resources.',
  });
  const document = app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'Trashfire Vending Machine',
      version,
      description: 'Runs untrusted code in microVMs. Errors are RFC 9457 problem details.',
    },
  });
  app.get('/openapi.json', () => jsonResponse(document));
  app.get('/docs', (context) => context.html(docsPage(document)));
}
