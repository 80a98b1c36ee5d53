// An OpenAPI v2 document read back from gnostic's protobuf into the JSON that says the same.
import { fromBinary } from '@bufbuild/protobuf';
import {
  type AdditionalProperties,
  type Any,
  DocumentSchema,
  type Operation,
  type ParametersItem,
  type PathItem,
  type ResponseValue,
  type Schema,
} from '@tvm/api/gen/openapi/v2/openapi_pb.js';
import { parse } from 'yaml';
import type { ApiObject } from '../api-client.ts';

const methods = ['get', 'put', 'post', 'delete', 'patch'] as const;

/** Paths and definitions of the document that `bytes` are. */
export function decodeSwagger(bytes: Uint8Array): ApiObject {
  const { swagger, paths, definitions } = fromBinary(DocumentSchema, bytes);
  return {
    swagger,
    paths: fromPairs(paths?.path ?? [], pathOf),
    definitions: fromPairs(definitions?.additionalProperties ?? [], schemaOf),
  };
}

function pathOf({ parameters, ...item }: PathItem): ApiObject {
  const operations = methods.flatMap((method) => {
    const operation = item[method];
    return operation ? [[method, operationOf(operation)]] : [];
  });
  return present({ ...Object.fromEntries(operations), parameters: parameters.map(parameterOf) });
}

function operationOf({
  description,
  consumes,
  produces,
  parameters,
  responses,
  vendorExtension,
}: Operation): ApiObject {
  const fields = { description, consumes, produces, parameters: parameters.map(parameterOf) };
  return {
    ...present(fields),
    responses: fromPairs(responses?.responseCode ?? [], responseOf),
    ...fromPairs(vendorExtension, anyOf),
  };
}

function parameterOf({ item }: ParametersItem): ApiObject {
  if (item.case === 'reference') return { $ref: item.value.ref };
  const kind = item.value?.kind;
  if (kind?.case === 'body')
    return present({ ...plain(kind.value), schema: kind.value.schema && schemaOf(kind.value.schema) });
  return present(plain(kind?.value?.kind.value ?? {}));
}

function responseOf({ kind }: ResponseValue): ApiObject {
  const schema = kind.value?.schema?.kind.value;
  return present({ description: kind.value?.description, schema: schema && schemaOf(schema) });
}

function schemaOf(schema: Schema): ApiObject {
  const {
    ref,
    type,
    default: fallback,
    enum: values,
    properties,
    items,
    additionalProperties,
    vendorExtension,
    ...rest
  } = schema;
  const fields = {
    ...plain(rest),
    $ref: ref,
    type: type?.value[0],
    enum: values.map(anyOf),
    properties: properties && fromPairs(properties.additionalProperties, schemaOf),
    items: items?.schema[0] && schemaOf(items.schema[0]),
  };
  return {
    ...present(fields),
    ...(fallback && { default: anyOf(fallback) }),
    ...(additionalProperties && { additionalProperties: schemaOrBoolean(additionalProperties) }),
    ...fromPairs(vendorExtension, anyOf),
  };
}

function schemaOrBoolean({ kind }: AdditionalProperties): ApiObject {
  return kind.case === 'schema' ? schemaOf(kind.value) : kind.value;
}

function anyOf(value: Any): unknown {
  return parse(value.yaml);
}

function fromPairs<T>(
  pairs: readonly { name: string; value?: T | undefined }[],
  map: (value: T) => unknown,
): ApiObject {
  return Object.fromEntries(pairs.map(({ name, value }) => [name, value && map(value)]));
}

/** The fields of a message without its type. */
function plain({ $typeName: _type, ...fields }: { $typeName?: string }): ApiObject {
  return fields;
}

/** Without what protobuf does not tell from being absent. */
function present(fields: ApiObject): ApiObject {
  const isAbsent = (value: unknown) =>
    value === undefined || value === '' || value === false || (Array.isArray(value) && value.length === 0);
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => !isAbsent(value)));
}
