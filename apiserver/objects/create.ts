// Create: fills what the server owns, validates, stores.
import { randomInt, randomUUID } from 'node:crypto';
import { trackUpdate } from '../apply/track-update.ts';
import { applyDefaults } from '../schema/defaults.ts';
import { alreadyExists, badRequest, StatusError } from '../status/status-error.ts';
import { type ApiObject, withoutEmptyMetadata } from './api-object.ts';
import { checkNamespace } from './namespace-gate.ts';
import type { WriteRequest } from './request.ts';
import { type Services, timestamp } from './services.ts';
import { trackingOf } from './tracking.ts';
import { validateObject } from './validate-object.ts';

/** Stores a decoded object and returns it in the version of the request. Throws StatusError 400, 403, 404, 409, 422. */
export function createObject(services: Services, request: WriteRequest, input: ApiObject): ApiObject {
  const object = prepareNew(services, request, input);
  const tracking = trackingOf(services, request, 'Update');
  object.metadata = withoutEmptyMetadata({
    ...object.metadata,
    managedFields: trackUpdate(tracking, undefined, object),
  });
  return storeNew(services, request, object);
}

/** The object with everything but managedFields. */
export function prepareNew(services: Services, request: WriteRequest, input: ApiObject): ApiObject {
  const { resource } = request;
  const object = structuredClone(input);
  checkTarget(request, object);
  const name = object.metadata.name || generatedName(object.metadata.generateName);
  checkNamespace(services, request, name);
  object.metadata = withoutEmptyMetadata({
    ...object.metadata,
    name,
    namespace: resource.namespaced ? request.namespace : '',
    uid: randomUUID(),
    creationTimestamp: timestamp(services.clock),
    deletionTimestamp: undefined,
    deletionGracePeriodSeconds: undefined,
    selfLink: undefined,
    generation: resource.rules.countsGenerations ? 1 : undefined,
  });
  if (resource.subresources.includes('status')) delete object.status;
  if (resource.custom) applyDefaults(resource.schema, object);
  resource.rules.prepareCreate?.(object, timestamp(services.clock));
  return object;
}

export function storeNew({ store }: Services, request: WriteRequest, object: ApiObject): ApiObject {
  const { resource } = request;
  validateObject(resource, object, undefined);
  const { storage } = resource;
  const { name = '', namespace = '' } = object.metadata;
  if (store.get({ storage, namespace, name })) throw alreadyExists(resource, name);
  if (request.dryRun) return object;
  const stored = store.insert(storage, resource.rules.toStored?.(object) ?? object);
  return resource.rules.fromStored?.(stored) ?? stored;
}

function checkTarget(request: WriteRequest, { metadata }: ApiObject): void {
  if (metadata.resourceVersion) {
    throw new StatusError(500, '', 'resourceVersion should not be set on objects to be created');
  }
  if (request.resource.namespaced && metadata.namespace && metadata.namespace !== request.namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  }
}

const alphabet = 'bcdfghjklmnpqrstvwxz2456789';
const suffixLength = 5;
const maximumGeneratedLength = 63;

function generatedName(base: string | undefined): string {
  if (!base) return '';
  const suffix = Array.from({ length: suffixLength }, () => alphabet[randomInt(alphabet.length)]).join('');
  return base.slice(0, maximumGeneratedLength - suffixLength) + suffix;
}
