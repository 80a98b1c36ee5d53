// Requests for a collection: list, watch, create, delete all.
import { createObject } from '../objects/create.ts';
import { decodeObject, handleUnknownFields } from '../objects/decode.ts';
import { deleteObject } from '../objects/delete.ts';
import { listObjects } from '../objects/list.ts';
import type { WriteRequest } from '../objects/request.ts';
import type { Services } from '../objects/services.ts';
import { badRequest, methodNotAllowed } from '../status/status-error.ts';
import { accepted } from './accept.ts';
import { parseBody, readBody } from './body.ts';
import { answerObject, type Exchange } from './exchange.ts';
import { type Presentation, presentList, presentObject } from './present.ts';
import { deleteOptions, listOptions, watchOptions, writeOptions } from './query.ts';
import type { ResourcePath } from './resource-path.ts';
import { answerWatch } from './watch-response.ts';

export function presentationOf({ clock }: Services, exchange: Exchange): Presentation {
  const include = exchange.query.get('includeObject');
  return {
    accepted: accepted(exchange.request.headers.accept),
    include: include === 'None' || include === 'Object' ? include : 'Metadata',
    nowMs: clock.now(),
  };
}

export async function handleCollection(services: Services, exchange: Exchange, target: ResourcePath): Promise<void> {
  const { method, query } = exchange;
  if (method === 'GET' && ['true', '1'].includes(query.get('watch') ?? '')) {
    const how = presentationOf(services, exchange);
    return answerWatch(services, exchange, target, watchOptions(target.resource, query), how);
  }
  if (method === 'GET' || method === 'HEAD') return answerList(services, exchange, target);
  if (method === 'POST') return answerCreate(services, exchange, target);
  if (method === 'DELETE') return answerDeleteAll(services, exchange, target);
  throw methodNotAllowed();
}

function answerList(services: Services, exchange: Exchange, target: ResourcePath): void {
  const how = presentationOf(services, exchange);
  const list = listObjects(services.store, target, listOptions(target.resource, exchange.query));
  answerObject(exchange, 200, presentList(target.resource, list, how), how.accepted.format);
}

async function answerCreate(services: Services, exchange: Exchange, target: ResourcePath): Promise<void> {
  const { resource } = target;
  const how = presentationOf(services, exchange);
  const options = writeOptions(exchange.query, exchange.request.headers['user-agent'], false, false);
  const object = decodeObject(resource, parseBody(await readBody(exchange.request), resource.kind));
  const namespace = target.namespace || (resource.namespaced ? object.metadata.namespace : '') || '';
  if (resource.namespaced && !namespace) throw badRequest('an empty namespace may not be set during creation');
  const request: WriteRequest = { ...target, ...options, namespace, warnings: exchange.warnings };
  handleUnknownFields(request, object);
  const created = createObject(services, request, object);
  answerObject(exchange, 201, presentObject(resource, created, how), how.accepted.format);
}

async function answerDeleteAll(services: Services, exchange: Exchange, target: ResourcePath): Promise<void> {
  const { resource } = target;
  const how = presentationOf(services, exchange);
  const options = deleteOptions(exchange.query, parseBody(await readBody(exchange.request), 'DeleteOptions'));
  const list = listObjects(services.store, target, listOptions(resource, exchange.query));
  const items = list.items.map((object) => {
    const { namespace = '', name = '' } = object.metadata;
    return deleteObject(services, { ...target, namespace, name }, options).object;
  });
  answerObject(exchange, 200, presentList(resource, { ...list, items }, how), how.accepted.format);
}
