// Everything that can be wrong with an object that is about to be stored.

import type { Resource } from '../resources/resource.ts';
import { validateRules } from '../schema/cel-rules.ts';
import { validateSchema } from '../schema/validate.ts';
import { type FieldError, type FieldErrorReason, invalid } from '../status/field-error.ts';
import { invalidObject } from '../status/status-error.ts';
import { type ApiObject, type JsonObject, nameOf } from './api-object.ts';
import { validateMetadata } from './validate-metadata.ts';

/** Throws StatusError 422 that names every problem. */
export function validateObject(resource: Resource, object: ApiObject, live: ApiObject | undefined): void {
  const found = [
    ...validateMetadata(resource, object, live),
    ...(resource.custom ? validateSchema(resource.schema, contentOf(object)) : []),
    ...(resource.rules.validate?.(object, live) ?? []),
  ];
  if (resource.custom) found.push(...rulesOrNote(resource, object, live, found));
  if (found.length > 0) throw invalidObject(resource, nameOf(object), found);
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
