// Secrets: stringData becomes data, a type never changes, some types need keys, immutable ones stay.
import { type ApiObject, isJsonObject } from '../objects/api-object.ts';
import { deepEqual } from '../objects/deep-equal.ts';
import type { FieldError } from '../status/field-error.ts';
import * as errors from '../status/field-error.ts';
import { validateKeys, validateSize } from './data-keys.ts';
import type { Rules } from './resource.ts';

const requiredKeys = new Map<string, readonly string[]>(
  Object.entries({
    'kubernetes.io/tls': ['tls.crt', 'tls.key'],
    'kubernetes.io/dockerconfigjson': ['.dockerconfigjson'],
    'kubernetes.io/dockercfg': ['.dockercfg'],
    'kubernetes.io/ssh-auth': ['ssh-privatekey'],
  }),
);

export const secretRules: Rules = {
  prepareCreate: (object) => absorbStrings(object),
  prepareUpdate(object, live) {
    absorbStrings(object);
    if (!object.type) object.type = live.type;
  },
  validate(object, live) {
    return [
      ...validateKeys('data', object.data),
      ...validateSize('data', decodedBytes(object.data)),
      ...(requiredKeys.get(String(object.type)) ?? []).flatMap((key) =>
        Object.hasOwn(object.data ?? {}, key) ? [] : [errors.required(`data[${key}]`)],
      ),
      ...(live ? validateChange(object, live) : []),
    ];
  },
};

function absorbStrings(object: ApiObject): void {
  const { stringData } = object;
  if (isJsonObject(stringData)) {
    const encoded = Object.entries(stringData).map(([key, text]) => [
      key,
      Buffer.from(String(text)).toString('base64'),
    ]);
    object.data = { ...(isJsonObject(object.data) && object.data), ...Object.fromEntries(encoded) };
  }
  delete object.stringData;
  object.type ||= 'Opaque';
}

function decodedBytes(data: unknown): number {
  return Object.values(data ?? {}).reduce<number>((sum, value) => sum + Buffer.byteLength(String(value), 'base64'), 0);
}

function validateChange(object: ApiObject, live: ApiObject): FieldError[] {
  const found = object.type === live.type ? [] : [errors.invalid('type', object.type, 'field is immutable')];
  return [...found, ...validateImmutable(object, live, ['data'])];
}

/** What an immutable Secret or ConfigMap may not change. */
export function validateImmutable(object: ApiObject, live: ApiObject, fields: readonly string[]): FieldError[] {
  if (live.immutable !== true) return [];
  const told = 'field is immutable when `immutable` is set';
  const found = object.immutable === true ? [] : [errors.forbiddenField('immutable', told)];
  const changed = fields.filter((field) => !deepEqual(object[field], live[field]));
  return [...found, ...changed.map((field) => errors.forbiddenField(field, told))];
}
