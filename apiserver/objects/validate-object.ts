// Everything that can be wrong with an object that is about to be stored.
import type { Resource } from '../resources/resource.ts';
import { validateRules } from '../schema/cel-rules.ts';
import { applyDefaults } from '../schema/defaults.ts';
import { validateSchema } from '../schema/validate.ts';
import { type FieldError, type FieldErrorReason, invalid } from '../status/field-error.ts';
import { invalidObject } from '../status/status-error.ts';
import { type ApiObject, type JsonObject, nameOf } from './api-object.ts';
import { validateMetadata } from './validate-metadata.ts';

/** Throws StatusError 422 that names every problem. What was stored under a looser schema and stays as it is, is none. */
export function validateObject(resource: Resource, object: ApiObject, live: ApiObject | undefined): void {
  let found = problemsOf(resource, object, live);
  // An object that is older than a default differs from what replaces it by that alone.
  if (found.length > 0 && live) found = problemsOf(resource, object, withDefaults(resource, live));
  if (found.length > 0) throw invalidObject(resource, nameOf(object), found);
}

function problemsOf(resource: Resource, object: ApiObject, live: ApiObject | undefined): FieldError[] {
  const found = [
    ...validateMetadata(resource, object, live),
    ...(resource.custom ? validateSchema(resource.schema, contentOf(object), live && contentOf(live)) : []),
    ...(resource.rules.validate?.(object, live) ?? []),
  ];
  return resource.custom ? [...found, ...rulesOrNote(resource, object, live, found)] : found;
}

function withDefaults({ custom, schema }: Resource, live: ApiObject): ApiObject {
  if (!custom) return live;
  const filled = structuredClone(live);
  applyDefaults(schema, filled);
  return filled;
}

const blocking: readonly FieldErrorReason[] = [
  'FieldValueNotSupported',
  'FieldValueRequired',
  'FieldValueTooLong',
  'FieldValueTooMany',
  'FieldValueTypeInvalid',
];
const unchecked =
  'some validation rules were not checked because the object was invalid; correct the existing errors to complete validation';

/** Rules are only run over objects of the right shape. */
function rulesOrNote(resource: Resource, object: ApiObject, live: ApiObject | undefined, found: FieldError[]) {
  if (found.some((error) => blocking.includes(error.reason))) return [invalid('<nil>', null, unchecked)];
  return validateRules(resource.schema, contentOf(object), live && contentOf(live));
}

/** Without metadata, which has a validation of its own. */
function contentOf({ metadata: _metadata, ...content }: ApiObject): JsonObject {
  return content;
}
