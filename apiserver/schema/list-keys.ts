// Lists that are maps or sets: no two items may have the same key.
import { isJsonObject, type JsonObject } from '../objects/api-object.ts';
import type { FieldError } from '../status/field-error.ts';
import * as errors from '../status/field-error.ts';
import { listTypeOf, propertyOf, type Schema } from './schema.ts';

/** Duplicates in the lists of `value`. */
export function validateLists(schema: Schema, value: unknown, path: string): FieldError[] {
  if (Array.isArray(value)) return validateList(schema, value, path);
  if (!isJsonObject(value)) return [];
  return Object.entries(value).flatMap(([name, field]) => {
    const property = propertyOf(schema, name);
    return property ? validateLists(property, field, path ? `${path}.${name}` : name) : [];
  });
}

function validateList(schema: Schema, list: unknown[], path: string): FieldError[] {
  const found = duplicates(schema, list).map(({ index, key }) => errors.duplicate(`${path}[${index}]`, key));
  const { items } = schema;
  if (items) found.push(...list.flatMap((item, index) => validateLists(items, item, `${path}[${index}]`)));
  return found;
}

function duplicates(schema: Schema, list: unknown[]): { index: number; key: unknown }[] {
  const listType = listTypeOf(schema);
  if (listType.type === 'atomic') return [];
  const seen = new Set<string>();
  return list.flatMap((item, index) => {
    const key = listType.type === 'set' ? item : listKeyOf(item, listType.keys, schema.items);
    const text = JSON.stringify(key) ?? 'null';
    if (seen.has(text)) return [{ index, key }];
    seen.add(text);
    return [];
  });
}

/** The key of an item of a map-like list, its fields in order of name. */
export function listKeyOf(item: unknown, keys: readonly string[], itemSchema: Schema | undefined): JsonObject {
  const fields = isJsonObject(item) ? item : {};
  const entries = [...keys].sort().map((name) => [name, fields[name] ?? itemSchema?.properties?.[name]?.default]);
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
}
