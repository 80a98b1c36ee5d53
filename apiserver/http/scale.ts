// The scale subresource: an autoscaling/v1 Scale over the fields that a kind names.
import { type ApiObject, isJsonObject } from '../objects/api-object.ts';
import { patchedValue, patchTypes } from '../objects/patch.ts';
import type { WriteRequest } from '../objects/request.ts';
import type { Services } from '../objects/services.ts';
import { changeObject, liveObject } from '../objects/update.ts';
import type { Scale } from '../resources/resource.ts';
import { badRequest, methodNotAllowed, modified, unsupportedMediaType } from '../status/status-error.ts';
import { setAt, valueAt } from '../table/json-path.ts';
import { parseBody, parsePatch, readBody } from './body.ts';
import { answerJson, type Exchange } from './exchange.ts';
import { writeOptions } from './query.ts';
import type { ResourcePath } from './resource-path.ts';

export async function handleScale(
  services: Services,
  exchange: Exchange,
  target: ResourcePath,
  scale: Scale,
): Promise<void> {
  const { method } = exchange;
  const live = liveObject(services, target);
  if (method === 'GET') return answerJson(exchange, 200, scaleOf(live, scale));
  if (method !== 'PUT' && method !== 'PATCH') throw methodNotAllowed();
  const body = await readBody(exchange.request);
  const options = writeOptions(exchange.query, exchange.request.headers['user-agent'], method === 'PATCH', false);
  const request: WriteRequest = { ...target, ...options, warnings: exchange.warnings };
  const accepted = [patchTypes.json, patchTypes.merge];
  if (method === 'PATCH' && !accepted.some((type) => type === body.mediaType)) throw unsupportedMediaType(accepted);
  const wanted =
    method === 'PUT'
      ? parseBody(body, 'Scale')
      : patchedValue(request, scaleOf(live, scale), body.mediaType, parsePatch(body));
  answerJson(exchange, 200, scaleOf(writeScale(services, request, scale, wanted), scale));
}

function writeScale(services: Services, request: WriteRequest, scale: Scale, wanted: unknown): ApiObject {
  if (!isJsonObject(wanted) || wanted.kind !== 'Scale') throw badRequest('the object provided is not a Scale');
  const live = liveObject(services, request);
  const version = isJsonObject(wanted.metadata) ? wanted.metadata.resourceVersion : undefined;
  if (version && version !== live.metadata.resourceVersion) throw modified(request.resource, request.name);
  const replicas = (isJsonObject(wanted.spec) && wanted.spec.replicas) ?? 0;
  if (!Number.isInteger(replicas)) throw badRequest('spec.replicas of a Scale is a whole number');
  const next = structuredClone(live);
  setAt(next, scale.specReplicasPath, replicas);
  return changeObject(services, { ...request, subresource: '' }, live, next);
}

function scaleOf(object: ApiObject, scale: Scale) {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const selector = scale.labelSelectorPath && valueAt(object, scale.labelSelectorPath);
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: { replicas: valueAt(object, scale.specReplicasPath) ?? 0 },
    status: { replicas: valueAt(object, scale.statusReplicasPath) ?? 0, ...(selector ? { selector } : {}) },
  };
}
