// Validation of a value by its schema, with the errors that Kubernetes gives for custom resources.
import { isJsonObject, type JsonObject } from '../objects/api-object.ts';
import type { FieldError } from '../status/field-error.ts';
import * as errors from '../status/field-error.ts';
import { validateLists } from './list-keys.ts';
import { propertyOf, type Schema } from './schema.ts';
import { validateScalar } from './validate-scalar.ts';
import { hasType, typeOf } from './value-type.ts';

/** All that is wrong with `value`, structure first, then the keys of its lists. */
export function validateSchema(schema: Schema, value: unknown, path = ''): FieldError[] {
  return [...validateValue(schema, value, path), ...validateLists(schema, value, path)];
}

function validateValue(schema: Schema, value: unknown, path: string): FieldError[] {
  if (!hasType(schema, value)) return wrongType(schema, value, path);
  if (schema.enum && value !== null && !schema.enum.includes(value)) {
    return [errors.notSupported(path, value, schema.enum)];
  }
  if (Array.isArray(value)) return validateArray(schema, value, path);
  if (isJsonObject(value)) return validateObject(schema, value, path);
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

function validateArray(schema: Schema, value: unknown[], path: string): FieldError[] {
  const found: FieldError[] = [];
  const { items, minItems, maxItems } = schema;
  if (maxItems !== undefined && value.length > maxItems) found.push(errors.tooMany(path, value.length, maxItems));
  if (minItems !== undefined && value.length < minItems) {
    found.push(errors.invalid(path, value.length, `${path} in body should have at least ${minItems} items`));
  }
  if (items) found.push(...value.flatMap((item, index) => validateValue(items, item, `${path}[${index}]`)));
  return found;
}

function validateObject(schema: Schema, value: JsonObject, path: string): FieldError[] {
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
  for (const [name, field] of Object.entries(value)) {
    const property = propertyOf(schema, name);
    if (property && !missing.includes(name)) found.push(...validateValue(property, field, at(name)));
  }
  return found;
}
