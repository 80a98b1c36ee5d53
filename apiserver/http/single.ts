// Requests for one object or one of its subresources.

import type { ApiObject } from '../objects/api-object.ts';
import { createObject } from '../objects/create.ts';
import { decodeObject, handleUnknownFields } from '../objects/decode.ts';
import { deleteObject } from '../objects/delete.ts';
import { acceptedPatches, patchObject } from '../objects/patch.ts';
import type { WriteRequest } from '../objects/request.ts';
import type { Services } from '../objects/services.ts';
import { checkAddress, liveObject, replaceObject } from '../objects/update.ts';
import { methodNotAllowed, success, unsupportedMediaType, verbNotSupported } from '../status/status-error.ts';
import { duplicateFields, parseBody, parsePatch, readBody } from './body.ts';
import { presentationOf } from './collection.ts';
import { answerJson, answerObject, type Exchange } from './exchange.ts';
import { presentObject } from './present.ts';
import { booleanOf, deleteOptions, watchOptions, writeOptions } from './query.ts';
import type { ResourcePath } from './resource-path.ts';
import { answerWatch } from './watch-response.ts';

export async function handleSingle(services: Services, exchange: Exchange, target: ResourcePath): Promise<void> {
  const { method, query } = exchange;
  if (method === 'GET' && booleanOf(query, 'watch')) return watchOne(services, exchange, target);
  if (method === 'GET' || method === 'HEAD')
    return answer(services, exchange, target, 200, liveObject(services, target));
  if (method === 'PUT') return put(services, exchange, target);
  if (method === 'PATCH') return patch(services, exchange, target);
  if (method === 'DELETE' && target.subresource === '') return remove(services, exchange, target);
  if (target.resource.custom && method === 'DELETE') throw verbNotSupported(target.resource, 'delete');
  throw methodNotAllowed();
}

function answer(services: Services, exchange: Exchange, target: ResourcePath, code: number, object: ApiObject): void {
  const how = presentationOf(services, exchange);
  answerObject(exchange, code, presentObject(target.resource, object, how), how.accepted.format);
}

async function watchOne(services: Services, exchange: Exchange, target: ResourcePath): Promise<void> {
  const options = watchOptions(target.resource, exchange.query);
  const fields = [...options.fields, { label: 'metadata.name', equal: true, value: target.name }];
  await answerWatch(services, exchange, target, { ...options, fields }, presentationOf(services, exchange));
}

async function put(services: Services, exchange: Exchange, target: ResourcePath): Promise<void> {
  const { resource } = target;
  const options = writeOptions(exchange.query, exchange.request.headers['user-agent'], false, false);
  const body = await readBody(exchange.request);
  const object = decodeObject(resource, parseBody(body, resource.kind));
  const request: WriteRequest = { ...target, ...options, warnings: exchange.warnings };
  handleUnknownFields(request, object, duplicateFields(body));
  checkAddress(request, object);
  const key = { storage: resource.storage, namespace: target.namespace, name: target.name };
  const isNew = resource.rules.createsOnUpdate && !services.store.get(key);
  const stored = isNew ? createObject(services, request, object) : replaceObject(services, request, object);
  answer(services, exchange, target, isNew ? 201 : 200, stored);
}

async function patch(services: Services, exchange: Exchange, target: ResourcePath): Promise<void> {
  const body = await readBody(exchange.request);
  if (!acceptedPatches(target.resource).includes(body.mediaType)) {
    throw unsupportedMediaType(acceptedPatches(target.resource));
  }
  const isApply = body.mediaType === 'application/apply-patch+yaml';
  const options = writeOptions(exchange.query, exchange.request.headers['user-agent'], true, isApply);
  const request: WriteRequest = { ...target, ...options, warnings: exchange.warnings };
  const { object, created } = patchObject(services, request, body.mediaType, parsePatch(body));
  answer(services, exchange, target, created ? 201 : 200, object);
}

async function remove(services: Services, exchange: Exchange, target: ResourcePath): Promise<void> {
  const { group, plural } = target.resource;
  const options = deleteOptions(exchange.query, parseBody(await readBody(exchange.request), 'DeleteOptions'));
  const { object, gone } = deleteObject(services, target, options);
  if (!gone) return answer(services, exchange, target, 200, object);
  const { name = '', uid = '' } = object.metadata;
  answerJson(exchange, 200, success({ name, ...(group && { group }), kind: plural, uid }));
}
