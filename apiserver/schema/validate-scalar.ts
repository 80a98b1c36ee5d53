// Validation of strings and numbers by bounds, pattern and format.

import type { FieldError } from '../status/field-error.ts';
import * as errors from '../status/field-error.ts';
import type { Schema } from './schema.ts';

export function validateScalar(schema: Schema, value: unknown, path: string): FieldError[] {
  if (typeof value === 'string') return validateString(schema, value, path);
  if (typeof value === 'number') return validateNumber(schema, value, path);
  return [];
}

function validateString(schema: Schema, value: string, path: string): FieldError[] {
  const found = stringProblem(schema, value, path);
  const format: FieldError[] = [];
  if (schema.format === 'date-time' && !isDateTime(value)) {
    const leaf = path.slice(path.lastIndexOf('.') + 1);
    format.push(errors.typeInvalid(path, value, `${leaf} in body must be of type date-time: ${JSON.stringify(value)}`));
  }
  return [...(found ? [found] : []), ...format];
}

/** Only the first is told. */
function stringProblem({ maxLength, minLength, pattern }: Schema, value: string, path: string): FieldError | undefined {
  const length = [...value].length;
  if (maxLength !== undefined && length > maxLength) return errors.tooLong(path, maxLength);
  if (minLength !== undefined && length < minLength) {
    return errors.invalid(path, value, `${path} in body should be at least ${minLength} chars long`);
  }
  if (pattern !== undefined && !new RegExp(pattern, 'u').test(value)) {
    return errors.invalid(path, value, `${path} in body should match '${pattern}'`);
  }
  return undefined;
}

const dateTime = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/;

export function isDateTime(value: string): boolean {
  return dateTime.test(value) && !Number.isNaN(Date.parse(value));
}

function validateNumber(schema: Schema, value: number, path: string): FieldError[] {
  const { minimum, maximum, multipleOf, exclusiveMinimum, exclusiveMaximum } = schema;
  const wrong = (what: string) => errors.invalid(path, value, `${path} in body should be ${what}`);
  const found: FieldError[] = [];
  if (minimum !== undefined && exclusiveMinimum && value <= minimum) found.push(wrong(`greater than ${minimum}`));
  else if (minimum !== undefined && value < minimum) found.push(wrong(`greater than or equal to ${minimum}`));
  if (maximum !== undefined && exclusiveMaximum && value >= maximum) found.push(wrong(`less than ${maximum}`));
  else if (maximum !== undefined && value > maximum) found.push(wrong(`less than or equal to ${maximum}`));
  if (multipleOf !== undefined && value % multipleOf !== 0) found.push(wrong(`a multiple of ${multipleOf}`));
  return found;
}
