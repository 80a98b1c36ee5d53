// OpenAPI v2 (Swagger) from v3, as far as this server's documents go: references move, bodies become parameters, and what
// v2 has no word for is left out.
import { isJsonObject, type JsonObject } from '../objects/api-object.ts';
import { mapValues } from './map-values.ts';

export interface SwaggerSchema {
  $ref?: string;
  type?: string;
  description?: string;
  format?: string;
  pattern?: string;
  maximum?: number;
  minimum?: number;
  maxLength?: number;
  minLength?: number;
  maxItems?: number;
  minItems?: number;
  maxProperties?: number;
  minProperties?: number;
  uniqueItems?: boolean;
  default?: unknown;
  enum?: unknown[];
  required?: string[];
  properties?: Record<string, SwaggerSchema>;
  items?: SwaggerSchema;
  additionalProperties?: SwaggerSchema | boolean;
  [extension: `x-${string}`]: unknown;
}

export type SwaggerParameter =
  | { in: 'body'; name: string; required: boolean; schema: SwaggerSchema }
  | { in: 'query'; name: string; description: string; type: string; uniqueItems: boolean }
  | { in: 'path'; name: string; description: string; type: string; uniqueItems: boolean; required: boolean };

export interface SwaggerOperation {
  description: string;
  consumes: string[];
  produces: string[];
  parameters: SwaggerParameter[];
  responses: Record<string, { description: string; schema?: SwaggerSchema }>;
  [extension: `x-${string}`]: unknown;
}

export const swaggerMethods = ['get', 'put', 'post', 'delete', 'patch'] as const;

export type SwaggerPath = Partial<Record<(typeof swaggerMethods)[number], SwaggerOperation>> & {
  parameters?: SwaggerParameter[];
};

export interface Swagger {
  swagger: '2.0';
  info: { title: string; version: string };
  paths: Record<string, SwaggerPath>;
  definitions: Record<string, SwaggerSchema>;
}

/** An operation of a v3 document, as paths.ts makes it. */
export interface Operation {
  description: string;
  parameters: Parameter[];
  requestBody?: { content: Record<string, { schema: JsonObject }>; required: boolean };
  responses: Record<string, { description: string; content: Record<string, { schema: JsonObject }> }>;
  [extension: `x-${string}`]: unknown;
}

export interface Parameter {
  name: string;
  in: 'query' | 'path';
  description: string;
  required?: boolean;
  schema: { type: string; uniqueItems: boolean };
}

export type PathItem = Partial<Record<(typeof swaggerMethods)[number], Operation>> & { parameters?: Parameter[] };

const unknownToSwagger = new Set(['allOf', 'anyOf', 'oneOf', 'not', 'nullable']);

export function swaggerSchemaOf(schema: JsonObject): SwaggerSchema {
  const entries = Object.entries(schema)
    .filter(([key]) => !unknownToSwagger.has(key))
    .map(([key, value]) => [key, isJsonObject(value) ? convertedValue(key, value) : value]);
  const target = referenceOf(schema);
  return { ...Object.fromEntries(entries), ...(target !== undefined && { $ref: target }) };
}

function convertedValue(key: string, value: JsonObject): unknown {
  if (key === 'items' || key === 'additionalProperties') return swaggerSchemaOf(value);
  return key === 'properties' ? mapValues(value as Record<string, JsonObject>, swaggerSchemaOf) : value;
}

/** v3 puts a description beside a reference by `allOf`; v2 puts it beside `$ref` itself. */
function referenceOf({ $ref, allOf }: JsonObject): string | undefined {
  const inside = Array.isArray(allOf) && allOf.length === 1 ? (allOf[0] as JsonObject).$ref : undefined;
  const target = $ref ?? inside;
  return typeof target === 'string' ? target.replace('#/components/schemas/', '#/definitions/') : undefined;
}

export function swaggerPathOf({ parameters, ...operations }: PathItem): SwaggerPath {
  return {
    ...mapValues(operations, swaggerOperationOf),
    ...(parameters && { parameters: parameters.map(swaggerParameterOf) }),
  };
}

function swaggerOperationOf({ parameters, requestBody, responses, ...rest }: Operation): SwaggerOperation {
  const [body] = Object.values(requestBody?.content ?? {});
  return {
    ...rest,
    consumes: Object.keys(requestBody?.content ?? { '*/*': {} }),
    produces: ['application/json', 'application/yaml'],
    parameters: [
      ...(body ? [{ in: 'body', name: 'body', required: true, schema: swaggerSchemaOf(body.schema) } as const] : []),
      ...parameters.map(swaggerParameterOf),
    ],
    responses: mapValues(responses, ({ description, content }) => {
      const [answer] = Object.values(content);
      return { description, ...(answer && { schema: swaggerSchemaOf(answer.schema) }) };
    }),
  };
}

function swaggerParameterOf({ schema, required, in: place, ...rest }: Parameter): SwaggerParameter {
  return place === 'query'
    ? { ...rest, in: 'query', ...schema }
    : { ...rest, in: 'path', ...schema, required: required ?? true };
}
