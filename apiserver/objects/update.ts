// Update: what PUT and every patch end in. Keeps what the server owns, counts generations, stores only real changes.
import { trackUpdate } from '../apply/track-update.ts';
import { applyDefaults } from '../schema/defaults.ts';
import { invalid } from '../status/field-error.ts';
import { badRequest, conflict, invalidObject, modified, notFound } from '../status/status-error.ts';
import { type ApiObject, finalizersOf, isBeingDeleted, isJsonObject, withoutEmptyMetadata } from './api-object.ts';
import { deepEqual } from './deep-equal.ts';
import type { Target, WriteRequest } from './request.ts';
import type { Services } from './services.ts';
import { trackingOf } from './tracking.ts';
import { validateObject } from './validate-object.ts';

/** The stored object in the version of the request. Throws StatusError 404. */
export function liveObject({ store }: Services, { resource, namespace, name }: Target): ApiObject {
  const stored = store.get({ storage: resource.storage, namespace, name });
  if (!stored) throw notFound(resource, name);
  return resource.rules.fromStored?.(stored) ?? stored;
}

/** PUT: replaces an object. Throws StatusError 400, 404, 409, 422. */
export function replaceObject(services: Services, request: WriteRequest, input: ApiObject): ApiObject {
  const { resource, name } = request;
  checkAddress(request, input);
  const live = liveObject(services, request);
  const { resourceVersion, uid } = input.metadata;
  if (uid && uid !== live.metadata.uid) {
    const why = `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${live.metadata.uid}`;
    throw conflict(resource, name, why);
  }
  if (!resourceVersion && resource.rules.requiresVersion) {
    const error = invalid('metadata.resourceVersion', 0, 'must be specified for an update');
    throw invalidObject({ group: resource.group, kind: resource.plural }, name, [error]);
  }
  return changeObject(services, request, live, input);
}

/** Name and namespace of a body must be those of the URL. */
export function checkAddress(request: Target, { metadata }: ApiObject): void {
  if (metadata.name && metadata.name !== request.name) {
    throw badRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${request.name})`);
  }
  if (!metadata.name) {
    throw badRequest(`the name of the object (${request.name} based on URL) was undeterminable: name must be provided`);
  }
  if (request.resource.namespaced && metadata.namespace && metadata.namespace !== request.namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  }
}

/** Stores `input` over `live` with managedFields of an ordinary update. */
export function changeObject(services: Services, request: WriteRequest, live: ApiObject, input: ApiObject): ApiObject {
  const next = prepareChange(request, live, input);
  const managedFields = trackUpdate(trackingOf(services, request, 'Update'), live, next);
  next.metadata = withoutEmptyMetadata({ ...next.metadata, managedFields });
  return storeChange(services, request, live, next);
}

/** `input` with what this endpoint may not change taken from `live`. Throws StatusError 409. */
export function prepareChange(request: WriteRequest, live: ApiObject, input: ApiObject): ApiObject {
  const { resource, subresource, name } = request;
  const wanted = input.metadata.resourceVersion;
  if (wanted && wanted !== live.metadata.resourceVersion) throw modified(resource, name);
  const next = subresource === '' ? mainContent(request, live, input) : subresourceContent(subresource, live, input);
  if (resource.custom) applyDefaults(resource.schema, next);
  if (subresource === '') resource.rules.prepareUpdate?.(next, live);
  return next;
}

function mainContent({ resource }: WriteRequest, live: ApiObject, input: ApiObject): ApiObject {
  const next = structuredClone(input);
  const { uid, name, creationTimestamp, deletionTimestamp, deletionGracePeriodSeconds, generation } = live.metadata;
  next.metadata = withoutEmptyMetadata({
    ...next.metadata,
    uid: next.metadata.uid || uid,
    name: next.metadata.name || name,
    namespace: next.metadata.namespace || live.metadata.namespace,
    resourceVersion: live.metadata.resourceVersion,
    creationTimestamp,
    deletionTimestamp,
    deletionGracePeriodSeconds,
    generation,
    selfLink: undefined,
  });
  if (resource.subresources.includes('status')) {
    delete next.status;
    if (live.status !== undefined) next.status = structuredClone(live.status);
  }
  return next;
}

function subresourceContent(subresource: string, live: ApiObject, input: ApiObject): ApiObject {
  const next = structuredClone(live);
  const field = subresource === 'finalize' ? 'spec' : 'status';
  delete next[field];
  if (input[field] !== undefined) next[field] = structuredClone(input[field]);
  const { managedFields } = input.metadata;
  if (managedFields) next.metadata.managedFields = managedFields;
  return next;
}

/** Validates and stores; a change of nothing writes nothing, the last finalizer of a deleted object ends it. */
export function storeChange({ store }: Services, request: WriteRequest, live: ApiObject, next: ApiObject): ApiObject {
  const { resource } = request;
  if (resource.rules.countsGenerations && specChanged(live, next)) {
    next.metadata.generation = (live.metadata.generation ?? 0) + 1;
  }
  validateObject(resource, next, live);
  if (sameApartFromTimes(live, next)) return live;
  if (request.dryRun) return next;
  const toStored = (object: ApiObject) => resource.rules.toStored?.(object) ?? object;
  const before = store.get({ storage: resource.storage, namespace: request.namespace, name: request.name }) ?? live;
  const stored = hasEnded(next)
    ? store.remove(resource.storage, toStored(next), before)
    : store.replace(resource.storage, toStored(next), before);
  return resource.rules.fromStored?.(stored) ?? stored;
}

/** A deleted object without finalizers is gone. Namespaces have their finalizers in the spec. */
export function hasEnded(object: ApiObject): boolean {
  const inSpec = object.kind === 'Namespace' && isJsonObject(object.spec) ? object.spec.finalizers : undefined;
  const held = finalizersOf(object).length + (Array.isArray(inSpec) ? inSpec.length : 0);
  return isBeingDeleted(object) && held === 0;
}

function specChanged(live: ApiObject, next: ApiObject): boolean {
  const content = ({ metadata: _metadata, status: _status, ...rest }: ApiObject) => rest;
  return !deepEqual(content(live), content(next));
}

/** The times in managedFields alone are no change. */
function sameApartFromTimes(live: ApiObject, next: ApiObject): boolean {
  const timeless = (object: ApiObject) => {
    const managedFields = (object.metadata.managedFields ?? []).map(({ time: _time, ...entry }) => entry);
    return { ...object, metadata: { ...withoutEmptyMetadata(object.metadata), managedFields } };
  };
  return deepEqual(timeless(live), timeless(next));
}
