// The schemas of an OpenAPI document: those of its resources and everything that they refer to.
import type { Resource } from '../resources/resource.ts';
import { publishedSchemas } from './core-schemas.ts';
import { scaleSchemaName } from './kubernetes/groups.ts';
import { metaPackage, metaReference, type PublishedSchema, schemaPrefix, typeMeta } from './kubernetes/shapes.ts';

export function schemasOf(resources: readonly Resource[]): Record<string, PublishedSchema> {
  const own = Object.assign({}, ...resources.map((resource) => ownSchemas(resource)));
  const shared = ['DeleteOptions', 'Patch', 'Status', 'ObjectMeta', 'ListMeta'].map((name) => `${metaPackage}.${name}`);
  const wanted = [...Object.keys(own), ...shared, ...(resources.some((one) => one.scale) ? [scaleSchemaName] : [])];
  return referencedSchemas({ ...publishedSchemas, ...own }, wanted);
}

/** `names` and what they refer to, however deep. */
export function referencedSchemas(
  schemas: Readonly<Record<string, PublishedSchema>>,
  names: readonly string[],
): Record<string, PublishedSchema> {
  const found: Record<string, PublishedSchema> = {};
  const open = [...names];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    const schema = schemas[name];
    if (found[name] || !schema) continue;
    found[name] = schema;
    open.push(...referencesIn(schema));
  }
  return Object.fromEntries(Object.entries(found).sort(([left], [right]) => (left < right ? -1 : 1)));
}

function referencesIn(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  const { $ref } = value as { $ref?: unknown };
  const own = typeof $ref === 'string' && $ref.startsWith(schemaPrefix) ? [$ref.slice(schemaPrefix.length)] : [];
  return [...own, ...Object.values(value).flatMap(referencesIn)];
}

function ownSchemas(resource: Resource): Record<string, PublishedSchema> {
  const { schemaName } = resource;
  const schema = resource.custom ? customSchema(resource) : (publishedSchemas[schemaName] ?? {});
  return { [schemaName]: schema, [`${schemaName}List`]: listSchema(resource) };
}

function customSchema({ group, version, kind, schema }: Resource): PublishedSchema {
  const metadata = metaReference('Name, labels and what else every object has.', 'ObjectMeta');
  return {
    ...schema,
    properties: { ...schema.properties, metadata },
    'x-kubernetes-group-version-kind': [{ group, version, kind }],
  };
}

function listSchema({ group, version, kind, schemaName, plural }: Resource): PublishedSchema {
  const items = { $ref: `${schemaPrefix}${schemaName}` };
  return {
    description: `A list of ${plural}.`,
    type: 'object',
    required: ['items'],
    properties: {
      ...typeMeta,
      metadata: metaReference('Where the list was read, and how it goes on.', 'ListMeta'),
      items: { description: `The ${plural}.`, type: 'array', items },
    },
    'x-kubernetes-group-version-kind': [{ group, version, kind: `${kind}List` }],
  };
}
