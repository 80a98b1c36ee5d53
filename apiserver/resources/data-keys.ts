// The keys and size of the data of Secrets and ConfigMaps.

import type { FieldError } from '../status/field-error.ts';
import * as errors from '../status/field-error.ts';

const maximumBytes = 1024 * 1024;
const keyText =
  "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";

export function validateKeys(field: string, data: unknown): FieldError[] {
  return Object.keys(data ?? {}).flatMap((key) => {
    const problem = keyProblem(key);
    return problem ? [errors.invalid(`${field}[${key}]`, key, problem)] : [];
  });
}

function keyProblem(key: string): string | undefined {
  if (key.length > 253) return 'must be no more than 253 bytes';
  if (!/^[-._a-zA-Z0-9]+$/.test(key)) return keyText;
  if (key === '.') return "must not be '.'";
  if (key === '..') return "must not be '..'";
  return key.startsWith('..') ? "must not start with '..'" : undefined;
}

/** `totalBytes`: of all values, decoded. */
export function validateSize(field: string, totalBytes: number): FieldError[] {
  return totalBytes > maximumBytes ? [errors.tooLong(field, maximumBytes)] : [];
}
