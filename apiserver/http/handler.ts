// From a request to the one that answers it. Invariant: everything but health and version needs a valid token first.
import type { Logger } from '@tvm/kit/log.ts';
import type { Authenticator } from '../auth/tokens.ts';
import type { Discovery } from '../discovery/discovery.ts';
import type { Services } from '../objects/services.ts';
import type { OpenApi } from '../openapi/documents.ts';
import { badRequest, forbidden, StatusError, unauthorized } from '../status/status-error.ts';
import { handleCollection } from './collection.ts';
import { handleDiscovery } from './discovery-routes.ts';
import { answerError, answerJson, answerText, type Exchange } from './exchange.ts';
import { handleOpenApi } from './openapi-routes.ts';
import { parseResourcePath, type ResourcePath } from './resource-path.ts';
import { findReview, handleReview } from './reviews.ts';
import { handleScale } from './scale.ts';
import { handleSingle } from './single.ts';
import { versionInfo } from './version-info.ts';

export interface HandlerDeps {
  services: Services;
  discovery: Discovery;
  openApi: OpenApi;
  authenticator: Authenticator;
  log: Logger;
  /** False while the server stops. */
  isReady: () => boolean;
}

export async function handle(deps: HandlerDeps, exchange: Exchange): Promise<void> {
  try {
    await route(deps, exchange);
  } catch (error) {
    if (!(error instanceof StatusError)) {
      deps.log.error({ err: error, method: exchange.method, path: exchange.path }, 'request failed');
    }
    answerError(exchange, error);
  }
}

async function route(deps: HandlerDeps, exchange: Exchange): Promise<void> {
  const { path } = exchange;
  if (handleOpen(deps, exchange)) return;
  const user = deps.authenticator.userOf(exchange.request.headers.authorization);
  if (user === undefined) throw unauthorized();
  refuseImpersonation(exchange);
  exchange.user = user;
  const review = findReview(path);
  if (review) return handleReview(deps.authenticator, exchange, review);
  const target = parseResourcePath(deps.services.registry, path);
  if (target) return handleResource(deps.services, exchange, target);
  if (exchange.method === 'GET' && handleDiscovery(deps.discovery, exchange)) return;
  if (exchange.method === 'GET' && handleOpenApi(deps.openApi, exchange)) return;
  notFound(exchange);
}

/** Who asks for the rights of another, who may have fewer, must not be answered with all rights. */
function refuseImpersonation({ request }: Exchange): void {
  const asked = Object.keys(request.headers).find((name) => name.startsWith('impersonate-'));
  if (asked)
    throw forbidden({ group: '', plural: 'users' }, String(request.headers[asked]), 'there is only one user here');
}

function handleOpen(deps: HandlerDeps, exchange: Exchange): boolean {
  const { path } = exchange;
  if (path === '/version' || path === '/version/') {
    answerJson(exchange, 200, versionInfo);
    return true;
  }
  if (!/^\/(healthz|livez|readyz)(\/[\w-]+)?$/.test(path)) return false;
  const isFine = path.startsWith('/livez') || deps.isReady();
  answerText(exchange, isFine ? 200 : 500, isFine ? 'ok' : 'stopping');
  return true;
}

async function handleResource(services: Services, exchange: Exchange, target: ResourcePath): Promise<void> {
  const { resource, name, subresource } = target;
  if (name === '') return handleCollection(services, exchange, target);
  if (subresource === 'scale' && resource.scale) return handleScale(services, exchange, target, resource.scale);
  if (subresource !== '' && !resource.subresources.includes(subresource)) return notFound(exchange);
  if (resource.namespaced && target.namespace === '') throw badRequest('a namespace is required');
  return handleSingle(services, exchange, target);
}

function notFound(exchange: Exchange): void {
  answerText(exchange, 404, '404 page not found\n');
}
