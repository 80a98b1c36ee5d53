// Validation of a value by its schema, with the errors that Kubernetes gives for custom resources.
// Invariant: what an update leaves as it was is not held against it, so that a schema can become stricter.
import { isJsonObject, type JsonObject } from '../objects/api-object.ts';
import { deepEqual } from '../objects/deep-equal.ts';
import type { FieldError } from '../status/field-error.ts';
import * as errors from '../status/field-error.ts';
import { formerItems } from './former-items.ts';
import { validateLists } from './list-keys.ts';
import { propertyOf, type Schema } from './schema.ts';
import { validateScalar } from './validate-scalar.ts';
import { hasType, typeOf } from './value-type.ts';

/** All that is wrong with `value`, structure first, then the keys of its lists. `old`: what it replaces. */
export function validateSchema(schema: Schema, value: unknown, old?: unknown): FieldError[] {
  const lists = validateLists(schema, value, '');
  const hadDuplicates = lists.length > 0 && validateLists(schema, old, '').length > 0;
  return [...validateValue(schema, value, old, ''), ...(hadDuplicates ? [] : lists)];
}

function validateValue(schema: Schema, value: unknown, old: unknown, path: string): FieldError[] {
  if (old !== undefined && deepEqual(value, old)) return [];
  if (!hasType(schema, value)) return wrongType(schema, value, path);
  if (schema.enum && value !== null && !schema.enum.includes(value)) {
    return [errors.notSupported(path, value, schema.enum)];
  }
  if (Array.isArray(value)) return validateArray(schema, value, old, path);
  if (isJsonObject(value)) return validateObject(schema, value, old, path);
  return validateScalar(schema, value, path);
}

function wrongType(schema: Schema, value: unknown, path: string): FieldError[] {
  if (schema.type === 'integer' && typeof value === 'number') {
    const wanted = schema.format ?? 'int64';
    const told = `${path} in body must be of type ${wanted}: "float64"`;
    const checked = `Checked value must be of type integer with format ${wanted} in ${path}`;
    return [errors.typeInvalid(path, 'float64', told), errors.invalid('<nil>', '', checked)];
  }
  const found = typeOf(value);
  return [errors.typeInvalid(path, found, `${path} in body must be of type ${schema.type}: "${found}"`)];
}

function validateArray(schema: Schema, value: unknown[], old: unknown, path: string): FieldError[] {
  const found: FieldError[] = [];
  const { items, minItems, maxItems } = schema;
  if (maxItems !== undefined && value.length > maxItems) found.push(errors.tooMany(path, value.length, maxItems));
  if (minItems !== undefined && value.length < minItems) {
    found.push(errors.invalid(path, value.length, `${path} in body should have at least ${minItems} items`));
  }
  if (items) {
    const before = formerItems(schema, old);
    found.push(...value.flatMap((item, index) => validateValue(items, item, before(item), `${path}[${index}]`)));
  }
  return found;
}

function validateObject(schema: Schema, value: JsonObject, old: unknown, path: string): FieldError[] {
  const at = (name: string) => (path ? `${path}.${name}` : name);
  const missing = (schema.required ?? []).filter((name) => value[name] === undefined || value[name] === null);
  const found = missing.map((name) => errors.required(at(name)));
  const size = Object.keys(value).length;
  if (schema.maxProperties !== undefined && size > schema.maxProperties) {
    found.push(errors.tooMany(path, size, schema.maxProperties));
  }
  if (schema.minProperties !== undefined && size < schema.minProperties) {
    const told = `${path} in body should have at least ${schema.minProperties} properties`;
    found.push(errors.invalid(path, size, told));
  }
  const before = isJsonObject(old) ? old : {};
  for (const [name, field] of Object.entries(value)) {
    const property = propertyOf(schema, name);
    if (property && !missing.includes(name)) found.push(...validateValue(property, field, before[name], at(name)));
  }
  return found;
}
