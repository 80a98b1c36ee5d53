// The schemas of Kubernetes' own kinds, by OpenAPI name.
import { isJsonObject } from '../objects/api-object.ts';
import type { Schema } from '../schema/schema.ts';
import { coreGroupSchemas } from './kubernetes/core.ts';
import { definitionSchemas } from './kubernetes/custom-resource-definition.ts';
import { groupSchemas } from './kubernetes/groups.ts';
import { metaSchemas } from './kubernetes/meta.ts';
import { type PublishedSchema, schemaPrefix } from './kubernetes/shapes.ts';
import { mapValues } from './map-values.ts';

/** As published, with references: for OpenAPI documents. */
export const publishedSchemas: Readonly<Record<string, PublishedSchema>> = {
  ...metaSchemas,
  ...coreGroupSchemas,
  ...groupSchemas,
  ...definitionSchemas,
};

/** The schema with every reference followed. */
export function coreSchema(name: string): Schema {
  const published = publishedSchemas[name];
  if (!published) throw new Error(`no schema ${name}`);
  return resolved(published);
}

function resolved(schema: PublishedSchema): Schema {
  const { properties, items, additionalProperties, allOf, ...rest } = schema;
  if (Array.isArray(allOf)) return coreSchema(String(allOf[0].$ref).slice(schemaPrefix.length));
  return {
    ...(rest as Schema),
    ...(isJsonObject(properties) && { properties: mapValues(properties as Record<string, PublishedSchema>, resolved) }),
    ...(isJsonObject(items) && { items: resolved(items) }),
    ...(isJsonObject(additionalProperties) && { additionalProperties: resolved(additionalProperties) }),
  };
}
