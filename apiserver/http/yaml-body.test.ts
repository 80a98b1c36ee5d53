import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { parseYaml } from './yaml-body.ts';

test('YAML and JSON of a value give the value', () => {
  const value = fc.dictionary(fc.string(), fc.jsonValue(), { noNullPrototype: true });
  fc.assert(
    fc.property(value, (one) => {
      const json = JSON.stringify(one);
      assert.equal(JSON.stringify(parseYaml(json)), json);
      assert.equal(JSON.stringify(parseYaml(stringify(JSON.parse(json), { aliasDuplicateObjects: false }))), json);
    }),
  );
});

test('flow style that is no JSON', () => {
  assert.deepEqual(parseYaml('{a: [b, c], d: {e: 1}} # no JSON'), { a: ['b', 'c'], d: { e: 1 } });
});

test('what is refused', () => {
  for (const text of ['a: 1\na: 2', '{"a": 1, "a": 2}', 'x: {a: 1, a: 2}', '{"x": {"a": 1, "a": 2}}']) {
    assert.throws(() => parseYaml(text), /error decoding YAML: key "(x\.)?a" already set in map/, text);
  }
  for (const text of ['{', 'a: [', 'a: b: c', '"']) assert.throws(() => parseYaml(text), /error decoding YAML: /, text);
  assert.throws(() => parseYaml('['.repeat(5000) + ']'.repeat(5000)), /error decoding/);
  assert.throws(() => parseYaml(`{"a":${'['.repeat(5000)}${']'.repeat(5000)}}`), /exceeded max depth/);
});

test('aliases are bounded', () => {
  const lines = Array.from({ length: 20 }, (_, i) => `a${i + 1}: &a${i + 1} [${`*a${i}, `.repeat(9)}]`);
  assert.throws(() => parseYaml(`a0: &a0 [x]\n${lines.join('\n')}`), /error decoding YAML/);
});
