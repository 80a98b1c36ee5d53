// CustomResourceDefinitions: those of the built-in kinds are accepted and Established at once, others are refused.

import { kinds } from '@tvm/api/kinds/kinds.ts';
import { group } from '@tvm/api/kinds/meta.ts';
import { type ApiObject, isJsonObject } from '../objects/api-object.ts';
import * as errors from '../status/field-error.ts';
import type { Rules } from './resource.ts';

const builtIn = new Set(kinds.map((kind) => `${kind.plural}.${group}`));

export const crdRules: Rules = {
  countsGenerations: true,
  prepareCreate(object, now) {
    fillSpec(object);
    const names = isJsonObject(object.spec) ? object.spec.names : undefined;
    object.status = {
      acceptedNames: names,
      conditions: [
        condition('NamesAccepted', 'NoConflicts', 'no conflicts found', now),
        condition('Established', 'InitialNamesAccepted', 'the initial names have been accepted', now),
      ],
      storedVersions: ['v1alpha1'],
    };
  },
  prepareUpdate: fillSpec,
  validate(object) {
    if (builtIn.has(object.metadata.name ?? '')) return [];
    const told = `this server has no other custom kinds than ${[...builtIn].join(', ')}; use a Kubernetes cluster for more`;
    return [errors.forbiddenField('metadata.name', told)];
  },
};

/** What Kubernetes fills in, so that applying the same file again changes nothing. */
function fillSpec(object: ApiObject): void {
  if (isJsonObject(object.spec)) object.spec.conversion ??= { strategy: 'None' };
}

function condition(type: string, reason: string, message: string, lastTransitionTime: string) {
  return { type, status: 'True', reason, message, lastTransitionTime };
}
