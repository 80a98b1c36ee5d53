// ConfigMaps: keys of data and binaryData are distinct; immutable ones stay.
import type { ApiObject } from '../objects/api-object.ts';
import * as errors from '../status/field-error.ts';
import { validateKeys, validateSize } from './data-keys.ts';
import type { Rules } from './resource.ts';
import { validateImmutable } from './secret-rules.ts';

export const configMapRules: Rules = {
  validate(object, live) {
    return [
      ...validateKeys('data', object.data),
      ...validateKeys('binaryData', object.binaryData),
      ...Object.keys(object.binaryData ?? {})
        .filter((key) => Object.hasOwn(object.data ?? {}, key))
        .map((key) => errors.invalid(`data[${key}]`, key, 'duplicate of key present in binaryData')),
      ...validateSize('', totalBytes(object)),
      ...(live ? validateImmutable(object, live, ['data', 'binaryData']) : []),
    ];
  },
};

function totalBytes(object: ApiObject): number {
  const texts = Object.values(object.data ?? {}).map((value) => Buffer.byteLength(String(value)));
  const binaries = Object.values(object.binaryData ?? {}).map((value) => Buffer.byteLength(String(value), 'base64'));
  return [...texts, ...binaries].reduce((sum, bytes) => sum + bytes, 0);
}
