// A schema as the server uses it: OpenAPI v3 with Kubernetes' extensions, references and allOf already resolved.
import type { StructuralSchema } from '@tvm/api/crd.ts';

export interface Schema extends Omit<StructuralSchema, 'properties' | 'items' | 'additionalProperties'> {
  properties?: Record<string, Schema>;
  items?: Schema;
  additionalProperties?: Schema;
  'x-kubernetes-patch-merge-key'?: string;
  'x-kubernetes-patch-strategy'?: string;
  'x-kubernetes-group-version-kind'?: { group: string; version: string; kind: string }[];
}

/** The schema of a field or a map's value; undefined when the schema does not know the name. */
export function propertyOf(schema: Schema | undefined, name: string): Schema | undefined {
  const properties = schema?.properties;
  if (properties && Object.hasOwn(properties, name)) return properties[name];
  return schema?.additionalProperties;
}

/** Whether an object of this schema may have fields that it does not name. */
export function isOpen(schema: Schema): boolean {
  return (
    schema['x-kubernetes-preserve-unknown-fields'] === true || (!schema.properties && !schema.additionalProperties)
  );
}

export type ListType = { type: 'map'; keys: readonly string[] } | { type: 'set' } | { type: 'atomic' };

export function listTypeOf(schema: Schema | undefined): ListType {
  const keys = schema?.['x-kubernetes-list-map-keys'];
  if (schema?.['x-kubernetes-list-type'] === 'map' && keys) return { type: 'map', keys };
  return { type: schema?.['x-kubernetes-list-type'] === 'set' ? 'set' : 'atomic' };
}

/** Whether an object is one value to server-side apply. */
export function isAtomicMap(schema: Schema | undefined): boolean {
  return schema?.['x-kubernetes-map-type'] === 'atomic';
}
