// Equality of JSON values: key order does not matter, undefined is absence.
import { isJsonObject } from './api-object.ts';
import { ownField } from './set-field.ts';

export function deepEqual(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (Array.isArray(left) && Array.isArray(right)) {
    return left.length === right.length && left.every((item, index) => deepEqual(item, right[index]));
  }
  if (!isJsonObject(left) || !isJsonObject(right)) return false;
  const keys = new Set([...Object.keys(left), ...Object.keys(right)]);
  for (const key of keys) if (!deepEqual(ownField(left, key), ownField(right, key))) return false;
  return true;
}
