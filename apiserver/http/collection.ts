// Requests for a collection: list, watch, create, delete all.
import { createObject } from '../objects/create.ts';
import { decodeObject, handleUnknownFields } from '../objects/decode.ts';
import { deleteObject } from '../objects/delete.ts';
import { listObjects } from '../objects/list.ts';
import type { WriteRequest } from '../objects/request.ts';
import type { Services } from '../objects/services.ts';
import { badRequest, methodNotAllowed } from '../status/status-error.ts';
import { accepted } from './accept.ts';
import { duplicateFields, parseBody, readBody } from './body.ts';
import { answerObject, type Exchange } from './exchange.ts';
import { type Presentation, presentList, presentObject } from './present.ts';
import { booleanOf, deleteOptions, listOptions, watchOptions, writeOptions } from './query.ts';
import type { ResourcePath } from './resource-path.ts';
import { answerWatch } from './watch-response.ts';

const includes = ['None', 'Metadata', 'Object'] as const;

/** Throws StatusError 400, 406. */
export function presentationOf({ clock }: Services, exchange: Exchange): Presentation {
  const wanted = exchange.query.get('includeObject') || 'Metadata';
  const form = accepted(exchange.request.headers.accept);
  const include = includes.find((one) => one === wanted);
  if (!include && form.as === 'Table') {
    const told = `includeObject: Invalid value: ${JSON.stringify(wanted)}: must be 'Metadata', 'Object', 'None', or empty`;
    throw badRequest(`Unable to convert to Table as requested: ${told}`);
  }
  return { accepted: form, include: include ?? 'Metadata', nowMs: clock.now() };
}

export async function handleCollection(services: Services, exchange: Exchange, target: ResourcePath): Promise<void> {
  const { method, query } = exchange;
  if (method === 'GET' && booleanOf(query, 'watch')) {
    const how = presentationOf(services, exchange);
    return answerWatch(services, exchange, target, watchOptions(target.resource, query), how);
  }
  if (method === 'GET' || method === 'HEAD') return answerList(services, exchange, target);
  if (method === 'POST') return answerCreate(services, exchange, target);
  if (method === 'DELETE' && !target.resource.rules.deletedOneByOne) return answerDeleteAll(services, exchange, target);
  if (method === 'PUT' && target.resource.custom) throw badRequest('name must be provided');
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
  const body = await readBody(exchange.request);
  const object = decodeObject(resource, parseBody(body, resource.kind));
  if (resource.namespaced && !target.namespace) throw methodNotAllowed();
  const request: WriteRequest = { ...target, ...options, warnings: exchange.warnings };
  handleUnknownFields(request, object, duplicateFields(body));
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
