import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { checkDepth, duplicateKeys } from './json-scan.ts';

test('fields that come twice, by path', () => {
  assert.deepEqual(duplicateKeys('{"a":1,"b":{"c":1,"c":2},"l":[{"x":1},{"x":1,"x":"{\\"y\\":1}"}],"a":2}'), [
    'b.c',
    'l[1].x',
    'a',
  ]);
});

test('no value that JSON.stringify writes has a field twice', () => {
  fc.assert(fc.property(fc.json(), (text) => assert.deepEqual(duplicateKeys(text), [])));
});

test('depth is bounded', () => {
  const nested = (depth: number) => JSON.parse(`${'['.repeat(depth)}${']'.repeat(depth)}`);
  checkDepth(nested(1000));
  for (const depth of [1002, 1_000_000]) assert.throws(() => checkDepth(nested(depth)), /exceeded max depth/);
});
