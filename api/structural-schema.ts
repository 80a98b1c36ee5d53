// A zod schema as the structural OpenAPI v3 schema that a CustomResourceDefinition takes.
// Invariant: a keyword that CRDs cannot express is an error here, never silently weaker validation on the server.
import { z } from 'zod';
import { TvmError } from './errors.ts';

export interface CelRule {
  rule: string;
  message: string;
  reason?: string;
  fieldPath?: string;
}

/** The part of OpenAPI v3 that CRDs allow and our kinds use. */
export interface StructuralSchema {
  type?: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean';
  format?: string;
  description?: string;
  default?: unknown;
  enum?: unknown[];
  nullable?: boolean;
  properties?: Record<string, StructuralSchema>;
  required?: string[];
  additionalProperties?: StructuralSchema;
  items?: StructuralSchema;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: boolean;
  exclusiveMaximum?: boolean;
  multipleOf?: number;
  minLength?: number;
  maxLength?: number;
  pattern?: string;
  minItems?: number;
  maxItems?: number;
  minProperties?: number;
  maxProperties?: number;
  'x-kubernetes-validations'?: CelRule[];
  'x-kubernetes-list-type'?: 'atomic' | 'set' | 'map';
  'x-kubernetes-list-map-keys'?: string[];
  'x-kubernetes-map-type'?: 'atomic' | 'granular';
  'x-kubernetes-preserve-unknown-fields'?: boolean;
  'x-kubernetes-int-or-string'?: boolean;
}

const copied = [
  'type',
  'format',
  'description',
  'default',
  'enum',
  'nullable',
  'required',
  'minimum',
  'maximum',
  'exclusiveMinimum',
  'exclusiveMaximum',
  'multipleOf',
  'minLength',
  'maxLength',
  'pattern',
  'minItems',
  'maxItems',
  'minProperties',
  'maxProperties',
  'x-kubernetes-validations',
  'x-kubernetes-list-type',
  'x-kubernetes-list-map-keys',
  'x-kubernetes-map-type',
  'x-kubernetes-preserve-unknown-fields',
  'x-kubernetes-int-or-string',
] as const;

/** Keywords with a rule of their own below, or without meaning to an API server. */
const handled = new Set(['$schema', 'const', 'properties', 'items', 'additionalProperties', 'propertyNames']);
const known = new Set<string>([...copied, ...handled]);

type JsonSchema = Record<string, unknown>;

/**
 * The structural schema of what a client may write (defaulted fields are optional, strict objects become pruned ones).
 * Throws TvmError `unimplemented`, naming the field, for what CRDs cannot express (unions, tuples, references).
 */
export function openApiSchemaOf(schema: z.ZodType): StructuralSchema {
  return structural(z.toJSONSchema(schema, { target: 'openapi-3.0', io: 'input' }) as JsonSchema, '');
}

function structural(schema: JsonSchema, path: string): StructuralSchema {
  const unknown = Object.keys(schema).filter((keyword) => !known.has(keyword));
  if (unknown.length > 0) {
    throw new TvmError('unimplemented', `a CRD cannot express ${unknown.join(', ')} at ${path || 'the root'}`);
  }
  const result: JsonSchema = {};
  for (const keyword of copied) if (schema[keyword] !== undefined) result[keyword] = schema[keyword];
  if ('const' in schema) result.enum = [schema.const];
  if (result.type === 'integer') describeInteger(result);
  describeChildren(schema, result, path);
  return result as StructuralSchema;
}

function describeChildren(schema: JsonSchema, result: JsonSchema, path: string): void {
  const { properties, items, additionalProperties } = schema;
  if (properties !== undefined) {
    const entries = Object.entries(properties as Record<string, JsonSchema>);
    result.properties = Object.fromEntries(
      entries.map(([name, property]) => [name, structural(property, `${path}.${name}`)]),
    );
  }
  if (items !== undefined) result.items = structural(items as JsonSchema, `${path}[]`);
  if (typeof additionalProperties === 'object' && additionalProperties !== null) {
    if (properties !== undefined) result['x-kubernetes-preserve-unknown-fields'] = true;
    else result.additionalProperties = structural(additionalProperties as JsonSchema, `${path}{}`);
  }
}

/** zod bounds each integer by what a double can hold; to a server that is int64 without bounds. */
function describeInteger(schema: JsonSchema): void {
  if (schema.minimum === Number.MIN_SAFE_INTEGER) delete schema.minimum;
  if (schema.maximum === Number.MAX_SAFE_INTEGER) delete schema.maximum;
  const small = [schema.minimum, schema.maximum].every((bound) => typeof bound === 'number' && bound === (bound | 0));
  schema.format ??= small ? 'int32' : 'int64';
}
