// A Swagger document as protobuf, in gnostic's form: maps are lists of pairs, and what may be any JSON is YAML text.
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import {
  type AnySchema,
  DocumentSchema,
  type NamedAnySchema,
  type OperationSchema,
  type ParametersItemSchema,
  type PathItemSchema,
  type SchemaMapSchema,
  type SchemaSchema,
} from '@tvm/api/gen/openapi/v2/openapi_pb.js';
import { mapValues } from './map-values.ts';
import type { Swagger, SwaggerOperation, SwaggerParameter, SwaggerPath, SwaggerSchema } from './swagger.ts';

/** The bytes of an openapi.v2.Document. */
export function encodeSwagger({ swagger, info, paths, definitions }: Swagger): Uint8Array {
  const path = pairs(paths, pathItem);
  const document = create(DocumentSchema, { swagger, info, paths: { path }, definitions: schemaMap(definitions) });
  return toBinary(DocumentSchema, document);
}

function pathItem({ parameters = [], ...operations }: SwaggerPath): MessageInitShape<typeof PathItemSchema> {
  return { ...mapValues(operations, operationInit), parameters: parameters.map(parametersItem) };
}

function operationInit(source: SwaggerOperation): MessageInitShape<typeof OperationSchema> {
  const { description, consumes, produces, parameters, responses } = source;
  const responseCode = pairs(responses, ({ schema, ...response }) => ({
    kind: {
      case: 'response' as const,
      value: { ...response, ...(schema && { schema: { kind: oneSchema(schema) } }) },
    },
  }));
  return {
    description,
    consumes,
    produces,
    parameters: parameters.map(parametersItem),
    responses: { responseCode },
    vendorExtension: extensions(source),
  };
}

function parametersItem(parameter: SwaggerParameter): MessageInitShape<typeof ParametersItemSchema> {
  return { item: { case: 'parameter', value: { kind: parameterKind(parameter) } } };
}

function parameterKind(parameter: SwaggerParameter) {
  if (parameter.in === 'body') {
    return { case: 'body', value: { ...parameter, schema: schemaInit(parameter.schema) } } as const;
  }
  const kind =
    parameter.in === 'query'
      ? ({ case: 'query', value: parameter } as const)
      : ({ case: 'path', value: parameter } as const);
  return { case: 'nonBody', value: { kind } } as const;
}

function schemaInit(source: SwaggerSchema): MessageInitShape<typeof SchemaSchema> {
  const { $ref, type, default: fallback, enum: values, properties, items, additionalProperties, ...rest } = source;
  return {
    ...rest,
    ...($ref !== undefined && { ref: $ref }),
    ...(type !== undefined && { type: { value: [type] } }),
    ...(fallback !== undefined && { default: anyInit(fallback) }),
    ...(values && { enum: values.map(anyInit) }),
    ...(properties && { properties: schemaMap(properties) }),
    ...(items && { items: { schema: [schemaInit(items)] } }),
    ...(additionalProperties !== undefined && {
      additionalProperties: { kind: schemaOrBoolean(additionalProperties) },
    }),
    vendorExtension: extensions(source),
  };
}

function schemaOrBoolean(value: SwaggerSchema | boolean) {
  return typeof value === 'boolean' ? ({ case: 'boolean', value } as const) : oneSchema(value);
}

function oneSchema(schema: SwaggerSchema) {
  return { case: 'schema', value: schemaInit(schema) } as const;
}

function schemaMap(schemas: Record<string, SwaggerSchema>): MessageInitShape<typeof SchemaMapSchema> {
  return { additionalProperties: pairs(schemas, schemaInit) };
}

function extensions(source: object): MessageInitShape<typeof NamedAnySchema>[] {
  return pairs(Object.fromEntries(Object.entries(source).filter(([key]) => key.startsWith('x-'))), anyInit);
}

/** JSON is YAML. */
function anyInit(value: unknown): MessageInitShape<typeof AnySchema> {
  return { yaml: `${JSON.stringify(value)}\n` };
}

function pairs<From, To>(object: Record<string, From>, map: (value: From) => To): { name: string; value: To }[] {
  return Object.entries(object).map(([name, value]) => ({ name, value: map(value) }));
}
