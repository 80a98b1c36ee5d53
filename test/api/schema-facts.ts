// What a schema says beside its descriptions: the facts that clients act on, by path.
import type { ApiObject } from '../api-client.ts';

const facts = ['type', 'format', 'enum'];

/** `spec.finalizers[] type` to its value, and so on, for a schema of an OpenAPI document with these schemas. */
export function factsOf(schema: ApiObject, schemas: ApiObject): Record<string, unknown> {
  return Object.fromEntries(walk(schema, schemas, ''));
}

function walk(schema: ApiObject, schemas: ApiObject, path: string): [string, unknown][] {
  const { properties = {}, items, additionalProperties, ...rest } = resolved(schema, schemas);
  const own = Object.entries<unknown>(rest).filter(([key]) => facts.includes(key) || key.startsWith('x-'));
  return [
    ...own.map(([key, value]): [string, unknown] => [`${path} ${key}`, value]),
    ...Object.entries<ApiObject>(properties).flatMap(([name, one]) => walk(one, schemas, `${path}.${name}`)),
    ...(items ? walk(items, schemas, `${path}[]`) : []),
    ...(additionalProperties ? walk(additionalProperties, schemas, `${path}{}`) : []),
  ];
}

/** Extensions beside a reference stay. */
function resolved(schema: ApiObject, schemas: ApiObject): ApiObject {
  const reference: string | undefined = schema.$ref ?? schema.allOf?.[0]?.$ref;
  return reference ? { ...schemas[reference.slice(reference.lastIndexOf('/') + 1)], ...schema } : schema;
}
