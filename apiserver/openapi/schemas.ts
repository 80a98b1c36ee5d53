// The schemas of an OpenAPI document: those of its resources and everything that they refer to.
import type { Resource } from '../resources/resource.ts';
import { publishedSchemas } from './core-schemas.ts';

type RawSchema = Record<string, unknown>;

const prefix = '#/components/schemas/';
const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1';
const scaleSchema = 'io.k8s.api.autoscaling.v1.Scale';

export function schemasOf(resources: readonly Resource[]): Record<string, RawSchema> {
  const own = Object.assign({}, ...resources.map((resource) => ownSchemas(resource)));
  const shared = ['DeleteOptions', 'Patch', 'Status', 'ObjectMeta', 'ListMeta'].map((name) => `${meta}.${name}`);
  const wanted = [...Object.keys(own), ...shared, ...(resources.some((one) => one.scale) ? [scaleSchema] : [])];
  return referencedSchemas({ ...publishedSchemas, ...own }, wanted);
}

/** `names` and what they refer to, however deep. */
export function referencedSchemas(
  schemas: Readonly<Record<string, RawSchema>>,
  names: readonly string[],
): Record<string, RawSchema> {
  const found: Record<string, RawSchema> = {};
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
  const own = typeof $ref === 'string' && $ref.startsWith(prefix) ? [$ref.slice(prefix.length)] : [];
  return [...own, ...Object.values(value).flatMap(referencesIn)];
}

function ownSchemas(resource: Resource): Record<string, RawSchema> {
  const { schemaName } = resource;
  const list = `${schemaName}List`;
  if (!resource.custom) {
    return { [schemaName]: publishedSchemas[schemaName] ?? {}, [list]: publishedSchemas[list] ?? {} };
  }
  return { [schemaName]: customSchema(resource), [list]: listSchema(resource) };
}

function customSchema(resource: Resource): RawSchema {
  const { group, version, kind, schema } = resource;
  const metadata = {
    description:
      "Standard object's metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata",
    allOf: [{ $ref: `${prefix}${meta}.ObjectMeta` }],
  };
  return {
    ...schema,
    properties: { ...schema.properties, metadata },
    'x-kubernetes-group-version-kind': [{ group, version, kind }],
  };
}

function listSchema({ group, version, kind, schemaName, plural }: Resource): RawSchema {
  return {
    description: `${kind}List is a list of ${kind}`,
    type: 'object',
    required: ['items'],
    properties: {
      apiVersion: { type: 'string', description: 'The version of the schema of this list.' },
      kind: { type: 'string', description: 'The kind of this list.' },
      metadata: { description: 'Standard list metadata.', allOf: [{ $ref: `${prefix}${meta}.ListMeta` }] },
      items: { description: `List of ${plural}.`, type: 'array', items: { $ref: `${prefix}${schemaName}` } },
    },
    'x-kubernetes-group-version-kind': [{ group, version, kind: `${kind}List` }],
  };
}
