// Validation of metadata, the same for every kind.
import type { Resource } from '../resources/resource.ts';
import type { FieldError } from '../status/field-error.ts';
import * as errors from '../status/field-error.ts';
import { type ApiObject, finalizersOf, isBeingDeleted, type ObjectMetadata, ownersOf } from './api-object.ts';
import { deepEqual } from './deep-equal.ts';
import { labelKeyProblem, labelNameProblem, labelValueProblem, subdomainProblem } from './qualified-name.ts';

export const maximumAnnotationBytes = 256 * 1024;

export function validateMetadata(resource: Resource, object: ApiObject, live: ApiObject | undefined): FieldError[] {
  const { metadata } = object;
  return [
    ...validateName(resource, metadata),
    ...(live ? [] : validateNameLength(resource, metadata)),
    ...validateLabels(metadata),
    ...validateAnnotations(metadata),
    ...validateFinalizers(object, live),
    ...validateOwners(object),
    ...(live ? validateUnchanged(metadata, live.metadata) : []),
  ];
}

function validateName(resource: Resource, metadata: ObjectMetadata): FieldError[] {
  const { name } = metadata;
  if (!name) return [errors.required('metadata.name', 'name or generateName is required')];
  const problem = resource.rules.nameIsLabel ? labelNameProblem(name) : subdomainProblem(name);
  return problem ? [errors.invalid('metadata.name', name, problem)] : [];
}

/** A kind may allow shorter names only than Kubernetes does. */
function validateNameLength({ rules: { maxNameLength } }: Resource, { name = '' }: ObjectMetadata): FieldError[] {
  const isTooLong = maxNameLength !== undefined && name.length > maxNameLength;
  return isTooLong ? [errors.tooLong('metadata.name', maxNameLength)] : [];
}

function validateLabels({ labels = {} }: ObjectMetadata): FieldError[] {
  return Object.entries(labels).flatMap(([key, value]) => [
    ...problem('metadata.labels', key, labelKeyProblem(key)),
    ...problem('metadata.labels', value, labelValueProblem(value)),
  ]);
}

function validateAnnotations({ annotations = {} }: ObjectMetadata): FieldError[] {
  const found = Object.keys(annotations).flatMap((key) =>
    problem('metadata.annotations', key, labelKeyProblem(key.toLowerCase())),
  );
  const size = Object.entries(annotations).reduce((sum, [key, value]) => sum + key.length + value.length, 0);
  if (size > maximumAnnotationBytes) found.push(errors.tooLong('metadata.annotations', maximumAnnotationBytes));
  return found;
}

function validateFinalizers(object: ApiObject, live: ApiObject | undefined): FieldError[] {
  const field = 'metadata.finalizers';
  const found = finalizersOf(object).flatMap((one) => problem(field, one, labelKeyProblem(one)));
  const added = live ? finalizersOf(object).filter((one) => !finalizersOf(live).includes(one)) : [];
  if (live && isBeingDeleted(live) && added.length > 0) {
    const list = added.map((one) => JSON.stringify(one)).join(', ');
    const told = `no new finalizers can be added if the object is being deleted, found new finalizers []string{${list}}`;
    found.push(errors.forbiddenField(field, told));
  }
  return found;
}

function validateOwners(object: ApiObject): FieldError[] {
  const found = ownersOf(object).flatMap((owner, index) => {
    const at = `metadata.ownerReferences[${index}]`;
    return (['apiVersion', 'kind', 'name', 'uid'] as const)
      .filter((field) => !owner[field])
      .map((field) => errors.required(`${at}.${field}`, 'must not be empty'));
  });
  const controllers = ownersOf(object).filter((owner) => owner.controller);
  if (controllers.length > 1) {
    const told = `Only one reference can have Controller set to true. Found "true" in references for ${controllers[0]?.name} and ${controllers[1]?.name}`;
    found.push(errors.invalid('metadata.ownerReferences', ownersOf(object), told));
  }
  return found;
}

function validateUnchanged(metadata: ObjectMetadata, live: ObjectMetadata): FieldError[] {
  const fields = ['uid', 'name', 'namespace'] as const;
  return fields
    .filter((field) => !deepEqual(metadata[field] || undefined, live[field] || undefined))
    .map((field) => errors.invalid(`metadata.${field}`, metadata[field], 'field is immutable'));
}

function problem(field: string, value: string, told: string | undefined): FieldError[] {
  return told ? [errors.invalid(field, value, told)] : [];
}
