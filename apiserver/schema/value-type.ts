// JSON values by the names that OpenAPI has for their types.
import { isJsonObject } from '../objects/api-object.ts';
import type { Schema } from './schema.ts';

export function typeOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return isJsonObject(value) ? 'object' : typeof value;
}

export function hasType(schema: Schema, value: unknown): boolean {
  if (schema['x-kubernetes-int-or-string']) return typeof value === 'string' || Number.isInteger(value);
  if (schema.type === undefined) return true;
  if (value === null) return schema.nullable === true;
  const type = typeOf(value);
  return type === schema.type || (type === 'integer' && schema.type === 'number');
}
