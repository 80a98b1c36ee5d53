// The first field whose JSON type is not the schema's, told as Go's JSON decoder tells it. For custom kinds only metadata
// is decoded that way; the rest is validated by schema.
import { isJsonObject, type JsonObject } from '../objects/api-object.ts';
import type { Resource } from '../resources/resource.ts';
import { propertyOf, type Schema } from './schema.ts';
import { isDateTime } from './validate-scalar.ts';
import { hasType, typeOf } from './value-type.ts';

export function typeMismatch(resource: Resource, object: JsonObject): string | undefined {
  if (!resource.custom) return mismatch(resource.schema, object, resource.kind);
  const metadata = resource.schema.properties?.metadata;
  return metadata && mismatch(metadata, object.metadata, 'ObjectMeta');
}

function mismatch(schema: Schema, value: unknown, path: string): string | undefined {
  if (value === null || value === undefined) return undefined;
  if (!hasType(schema, value)) {
    const found = typeOf(value) === 'boolean' ? 'bool' : typeOf(value);
    const shown = found === 'integer' ? 'number' : found;
    return `json: cannot unmarshal ${shown} into Go struct field ${path} of type ${goType(schema)}`;
  }
  if (typeof value === 'string') return badString(schema, value);
  if (Array.isArray(value)) return schema.items && firstOf(value, (item) => mismatch(schema.items ?? {}, item, path));
  if (!isJsonObject(value)) return undefined;
  return firstOf(Object.entries(value), ([name, field]) => {
    const property = propertyOf(schema, name);
    const at = schema.properties ? `${path}.${name}` : path;
    return property && mismatch(property, field, at);
  });
}

function badString(schema: Schema, value: string): string | undefined {
  if (schema.format === 'byte') {
    const wrong = /[^A-Za-z0-9+/=\r\n]/.exec(value);
    if (wrong) return `illegal base64 data at input byte ${wrong.index}`;
    return value.replaceAll(/[\r\n]/g, '').length % 4 === 0
      ? undefined
      : `illegal base64 data at input byte ${value.length}`;
  }
  if (schema.format === 'date-time' && !isDateTime(value)) {
    return `parsing time ${JSON.stringify(JSON.stringify(value))} as "2006-01-02T15:04:05Z07:00": cannot parse ${JSON.stringify(value)} as "2006"`;
  }
  return undefined;
}

function firstOf<T>(items: readonly T[], find: (item: T) => string | undefined): string | undefined {
  for (const item of items) {
    const found = find(item);
    if (found) return found;
  }
  return undefined;
}

function goType(schema: Schema): string {
  if (schema.type === 'boolean') return 'bool';
  if (schema.type === 'integer') return schema.format === 'int32' ? 'int32' : 'int64';
  if (schema.type === 'object')
    return schema.additionalProperties ? `map[string]${goType(schema.additionalProperties)}` : 'map';
  if (schema.type === 'array') return `[]${goType(schema.items ?? {})}`;
  return schema.format === 'byte' ? '[]uint8' : (schema.type ?? 'interface {}');
}
