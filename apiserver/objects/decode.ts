// A request's body as an object of its resource: kind and version fit, and the types of what the server itself reads.
import { groupVersionOf, type Resource } from '../resources/resource.ts';
import { typeMismatch } from '../schema/type-mismatch.ts';
import { dropUnknownFields } from '../schema/unknown-fields.ts';
import { invalid } from '../status/field-error.ts';
import { badRequest, invalidObject, type StatusError } from '../status/status-error.ts';
import { type ApiObject, isJsonObject, type JsonObject } from './api-object.ts';
import type { WriteRequest } from './request.ts';

/** Throws StatusError 400 or 422. */
export function decodeObject(resource: Resource, value: unknown): ApiObject {
  if (!isJsonObject(value)) throw unrecognized(resource, `not an object: ${excerpt(value)}`);
  const object = withKind(resource, value);
  object.metadata ??= {};
  const mismatch = typeMismatch(resource, object);
  if (mismatch) throw badRequest(`${cannotBeHandled(resource)}: ${mismatch}`);
  return object as ApiObject;
}

function withKind(resource: Resource, value: JsonObject): JsonObject {
  const { kind, apiVersion } = value;
  const wanted = groupVersionOf(resource);
  if (!resource.custom && !kind && !apiVersion) return { ...value, apiVersion: wanted, kind: resource.kind };
  if (!kind) throw unrecognized(resource, `Object 'Kind' is missing in '${excerpt(value)}'`);
  if (!apiVersion) throw unrecognized(resource, `Object 'apiVersion' is missing in '${excerpt(value)}'`);
  if (apiVersion !== wanted) {
    const told = `the API version in the data (${apiVersion}) does not match the expected API version (${wanted})`;
    throw badRequest(told);
  }
  if (kind !== resource.kind) throw wrongKind(resource, value);
  return { ...value };
}

function wrongKind(resource: Resource, value: JsonObject): StatusError {
  const kind = String(value.kind);
  if (!resource.custom) {
    return badRequest(
      `${kind} in version "${resource.version}" cannot be handled as a ${resource.kind}: converting is not possible`,
    );
  }
  const name = isJsonObject(value.metadata) ? String(value.metadata.name ?? '') : '';
  return invalidObject({ group: resource.group, kind }, name, [invalid('kind', kind, `must be ${resource.kind}`)]);
}

function unrecognized(resource: Resource, why: string): StatusError {
  return badRequest(`the object provided is unrecognized (must be of type ${resource.kind}): ${why}`);
}

function cannotBeHandled({ kind, version }: Resource): string {
  return `${kind} in version "${version}" cannot be handled as a ${kind}`;
}

function excerpt(value: unknown): string {
  const text = JSON.stringify(value) ?? '';
  return text.length > 60 ? `${text.slice(0, 60)} ...` : text;
}

/** Drops fields that the kind does not have: an error when Strict, a warning when Warn. */
export function handleUnknownFields(
  request: WriteRequest,
  object: ApiObject,
  duplicates: readonly string[] = [],
): void {
  const told = [
    ...dropUnknownFields(request.resource.schema, object)
      .sort()
      .map((path) => `unknown field "${path}"`),
    ...duplicates.map((path) => `duplicate field "${path}"`),
  ];
  if (told.length === 0 || request.fieldValidation === 'Ignore') return;
  if (request.fieldValidation === 'Strict') {
    throw badRequest(`${cannotBeHandled(request.resource)}: strict decoding error: ${told.join(', ')}`);
  }
  request.warnings.push(...told);
}
