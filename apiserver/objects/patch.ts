// Patch: four sorts of it, each ending in an update of the live object.

import { appliedProblem } from '../apply/applied-problem.ts';
import { applyPatch } from '../apply/apply-patch.ts';
import { jsonPatch } from '../patch/json-patch.ts';
import { mergePatch } from '../patch/merge-patch.ts';
import { strategicMergePatch } from '../patch/strategic-merge-patch.ts';
import { groupVersionOf, type Resource } from '../resources/resource.ts';
import { badRequest, notFound, StatusError, unsupportedMediaType } from '../status/status-error.ts';
import { type ApiObject, isJsonObject, withoutEmptyMetadata } from './api-object.ts';
import { prepareNew, storeNew } from './create.ts';
import { decodeObject, handleUnknownFields } from './decode.ts';
import type { WriteRequest } from './request.ts';
import type { Services } from './services.ts';
import { trackingOf } from './tracking.ts';
import { changeObject, checkAddress, liveObject, prepareChange, storeChange } from './update.ts';

export const patchTypes = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml',
} as const;

export interface Patched {
  object: ApiObject;
  created: boolean;
}

/** The media types of patches that a resource takes. */
export function acceptedPatches({ custom }: Resource): string[] {
  const { json, merge, strategic, apply } = patchTypes;
  return custom ? [json, merge, apply] : [json, merge, strategic, apply];
}

/** Throws StatusError 400, 404, 409, 415, 422. */
export function patchObject(services: Services, request: WriteRequest, mediaType: string, body: unknown): Patched {
  if (!acceptedPatches(request.resource).includes(mediaType)) {
    throw unsupportedMediaType(acceptedPatches(request.resource));
  }
  if (mediaType === patchTypes.apply) return applyObject(services, request, body);
  const live = liveObject(services, request);
  const patched = decodeObject(request.resource, patchedValue(request, live, mediaType, body));
  handleUnknownFields(request, patched);
  checkAddress(request, patched);
  return { object: changeObject(services, request, live, patched), created: false };
}

/** The live object, or what stands for it at a subresource, with the patch applied. */
export function patchedValue(request: WriteRequest, live: object, mediaType: string, body: unknown): unknown {
  if (mediaType === patchTypes.json) return jsonPatch(live, body);
  if (!isJsonObject(body)) {
    const found = Array.isArray(body) ? 'array' : typeof body;
    throw badRequest(
      `error decoding patch: json: cannot unmarshal ${found} into Go value of type map[string]interface {}`,
    );
  }
  if (mediaType === patchTypes.merge) return mergePatch(live, body);
  return strategicMergePatch(live, body, request.resource.schema);
}

function applyObject(services: Services, request: WriteRequest, body: unknown): Patched {
  const { resource } = request;
  const config = decodeApplied(request, body);
  const { storage } = resource;
  const exists = services.store.get({ storage, namespace: request.namespace, name: request.name }) !== undefined;
  if (!exists) return { object: createApplied(services, request, config), created: true };
  const live = liveObject(services, request);
  const tracking = trackingOf(services, request, 'Apply');
  const applied = applyPatch(tracking, live, config, request.force);
  const next = prepareChange(request, live, applied.object);
  next.metadata = withoutEmptyMetadata({ ...next.metadata, managedFields: applied.managedFields });
  return { object: storeChange(services, request, live, next), created: false };
}

function decodeApplied(request: WriteRequest, body: unknown): ApiObject {
  const { resource } = request;
  if (!isJsonObject(body)) throw badRequest('error decoding YAML: the configuration is not an object');
  if (body.apiVersion !== groupVersionOf(resource) || body.kind !== resource.kind) {
    throw badRequest(`invalid object type: ${body.apiVersion}, Kind=${body.kind}`);
  }
  const config = structuredClone(body) as ApiObject;
  if (!isJsonObject(config.metadata)) config.metadata = {};
  if (config.metadata.managedFields) throw badRequest('metadata.managedFields must be nil');
  checkAddress(request, config);
  if (request.fieldValidation === 'Strict') handleUnknownFields(request, structuredClone(config));
  const problem = appliedProblem(resource.schema, config);
  if (problem) {
    const what = `(${request.namespace}/${request.name}; ${groupVersionOf(resource)}, Kind=${resource.kind})`;
    throw new StatusError(500, '', `failed to create typed patch object ${what}: ${problem}`);
  }
  return config;
}

function createApplied(services: Services, request: WriteRequest, config: ApiObject): ApiObject {
  const { resource } = request;
  if (request.subresource !== '') throw notFound(resource, request.name);
  if (config.metadata.resourceVersion || config.metadata.uid) throw notFound(resource, request.name);
  const tracking = trackingOf(services, request, 'Apply');
  const empty: ApiObject = { apiVersion: config.apiVersion, kind: config.kind, metadata: {} };
  const { managedFields } = applyPatch(tracking, empty, config, request.force);
  const object = prepareNew(services, request, config);
  object.metadata = withoutEmptyMetadata({ ...object.metadata, managedFields });
  return storeNew(services, request, object);
}
