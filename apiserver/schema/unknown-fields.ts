// Fields that a schema does not name: found, and dropped from the object in the same walk.
import { isJsonObject, type JsonObject } from '../objects/api-object.ts';
import { isOpen, propertyOf, type Schema } from './schema.ts';

/** Removes unknown fields from `value` in place and returns their paths (`spec.env[0].bogus`). */
export function dropUnknownFields(schema: Schema, value: unknown, path = ''): string[] {
  if (Array.isArray(value)) {
    const { items } = schema;
    return items ? value.flatMap((item, index) => dropUnknownFields(items, item, `${path}[${index}]`)) : [];
  }
  if (!isJsonObject(value)) return [];
  return Object.keys(value).flatMap((name) => dropUnknownField(schema, value, name, path ? `${path}.${name}` : name));
}

function dropUnknownField(schema: Schema, object: JsonObject, name: string, path: string): string[] {
  const property = propertyOf(schema, name);
  if (property) return dropUnknownFields(property, object[name], path);
  if (isOpen(schema)) return [];
  delete object[name];
  return [path];
}
