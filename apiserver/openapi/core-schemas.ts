// The schemas of Kubernetes' own kinds, by OpenAPI name. The JSON beside is Kubernetes' published API (Apache License 2.0).
import { readFileSync } from 'node:fs';
import type { Schema } from '../schema/schema.ts';

type RawSchema = Record<string, unknown>;

const reference = '#/components/schemas/';

/** As published, with references: for OpenAPI documents. */
export const publishedSchemas: Readonly<Record<string, RawSchema>> = JSON.parse(
  readFileSync(new URL('./core-schemas.json', import.meta.url), 'utf8'),
);

const resolved = new Map<string, Schema>();

/** The schema with every reference followed; one that refers to itself is the same object again. */
export function coreSchema(name: string): Schema {
  const known = resolved.get(name);
  if (known) return known;
  const raw = publishedSchemas[name];
  if (!raw) throw new Error(`no schema ${name}`);
  const schema: Schema = {};
  resolved.set(name, schema);
  Object.assign(schema, resolve(raw));
  return schema;
}

function resolve(raw: RawSchema): Schema {
  const { properties, items, additionalProperties, allOf, ...rest } = raw;
  const target = typeof raw.$ref === 'string' ? raw.$ref : singleReference(allOf);
  if (target) return coreSchema(target.slice(reference.length));
  const schema = rest as Schema;
  if (properties) schema.properties = mapValues(properties as Record<string, RawSchema>);
  if (items) schema.items = resolve(items as RawSchema);
  if (typeof additionalProperties === 'object')
    schema.additionalProperties = resolve(additionalProperties as RawSchema);
  return schema;
}

/** `allOf` with one reference is how a description is put beside a reference; the extensions of a list stay outside it. */
function singleReference(allOf: unknown): string | undefined {
  return Array.isArray(allOf) && allOf.length === 1 ? (allOf[0] as { $ref?: string }).$ref : undefined;
}

function mapValues(properties: Record<string, RawSchema>): Record<string, Schema> {
  return Object.fromEntries(Object.entries(properties).map(([name, schema]) => [name, resolve(schema)]));
}
