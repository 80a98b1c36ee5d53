// The words in which the schemas of Kubernetes' kinds are written: OpenAPI v3, each with a description.
import type { JsonObject } from '../../objects/api-object.ts';

export interface PublishedSchema extends JsonObject {
  description?: string;
  type?: string;
}

export type Properties = Record<string, PublishedSchema>;

export const schemaPrefix = '#/components/schemas/';
export const metaPackage = 'io.k8s.apimachinery.pkg.apis.meta.v1';

export function text(description: string, more: JsonObject = {}): PublishedSchema {
  return { description, type: 'string', ...more };
}

export function integer(description: string, format: 'int32' | 'int64' = 'int32'): PublishedSchema {
  return { description, type: 'integer', format };
}

export function flag(description: string): PublishedSchema {
  return { description, type: 'boolean' };
}

/** RFC 3339. */
export function time(description: string): PublishedSchema {
  return text(description, { format: 'date-time' });
}

export function textMap(description: string, values: JsonObject = {}): PublishedSchema {
  return { description, type: 'object', additionalProperties: { type: 'string', ...values } };
}

/** A list that server-side apply takes as one value, unless `more` says otherwise. */
export function list(description: string, items: JsonObject, more: JsonObject = {}): PublishedSchema {
  return { description, type: 'array', items, 'x-kubernetes-list-type': 'atomic', ...more };
}

export function texts(description: string, more: JsonObject = {}): PublishedSchema {
  return list(description, { type: 'string' }, more);
}

/** What makes a list a map by a field of its items, to server-side apply and, when `patched`, to strategic merge patches. */
export function keyedBy(key: string, patched = true): JsonObject {
  const forApply = { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': [key] };
  return patched
    ? { ...forApply, 'x-kubernetes-patch-merge-key': key, 'x-kubernetes-patch-strategy': 'merge' }
    : forApply;
}

export function object(description: string, properties: Properties, more: JsonObject = {}): PublishedSchema {
  return { description, type: 'object', properties, ...more };
}

/** An object with whatever fields. */
export function anyObject(description: string): PublishedSchema {
  return { description, type: 'object' };
}

export function metaReference(description: string, name: 'ObjectMeta' | 'ListMeta'): PublishedSchema {
  return { description, allOf: [{ $ref: `${schemaPrefix}${metaPackage}.${name}` }] };
}

export const typeMeta: Properties = {
  apiVersion: text('The group and version of the schema that this object follows.'),
  kind: text('The kind of this object.'),
};

export interface GroupVersionKind {
  group: string;
  version: string;
  kind: string;
}

/** The schema of a kind: an object with apiVersion, kind and metadata beside its own properties. */
export function kindSchema(
  type: GroupVersionKind,
  description: string,
  properties: Properties,
  more: JsonObject = {},
): PublishedSchema {
  const metadata = metaReference('Name, labels and what else every object has.', 'ObjectMeta');
  const extension = { 'x-kubernetes-group-version-kind': [type] };
  return object(description, { ...typeMeta, metadata, ...properties }, { ...more, ...extension });
}
