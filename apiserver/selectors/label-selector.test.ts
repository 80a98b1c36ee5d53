import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ApiObject } from '../objects/api-object.ts';
import { StatusError } from '../status/status-error.ts';
import { matchesLabels, parseLabelSelector } from './label-selector.ts';

const labelled = (labels: Record<string, string>): ApiObject => ({ apiVersion: 'v1', kind: 'T', metadata: { labels } });
const selects = (selector: string, labels: Record<string, string>) =>
  matchesLabels(parseLabelSelector(selector), labelled(labels));

test('each operator', () => {
  const labels = { a: 'b', n: '5', 'x.io/y': '' };
  const yes = [
    '',
    'a',
    'a=b',
    'a==b',
    'a!=c',
    'z!=b',
    '!z',
    'a in (b, c)',
    'a notin (c)',
    'n>4',
    'n<6',
    'x.io/y=',
    'a=b,n',
  ];
  const no = ['z', 'a=c', 'a!=b', '!a', 'a in (c,d)', 'a notin (b)', 'n>5', 'n<5', 'a=b,z', 'a>1', 'constructor'];
  for (const selector of yes) assert.equal(selects(selector, labels), true, selector);
  for (const selector of no) assert.equal(selects(selector, labels), false, selector);
});

test('what is no selector is refused', () => {
  for (const selector of [
    'a===b',
    'a in',
    'a in (',
    'a b',
    '=x',
    'a=b c',
    'a,',
    ',a',
    'a in b',
    '!',
    'a=b=c',
    'a/b/c',
    'a=ü',
  ]) {
    assert.throws(() => parseLabelSelector(selector), StatusError, selector);
  }
});

const name = fc.stringMatching(/^[a-z][a-z0-9]{0,5}$/).filter((one) => !['in', 'notin', 'gt', 'lt'].includes(one));
const requirement = fc
  .tuple(name, fc.constantFrom('in', 'notin', 'exists', 'absent'), fc.array(name, { minLength: 1, maxLength: 3 }))
  .map(([key, operator, values]) => ({ key, operator, values: operator.endsWith('in') ? values : [] }));

test('what is written is what is read', () => {
  const written: Record<string, (key: string, values: string[]) => string> = {
    in: (key: string, values: string[]) => `${key} in (${values.join(',')})`,
    notin: (key: string, values: string[]) => `${key} notin (${values.join(', ')})`,
    exists: (key: string) => key,
    absent: (key: string) => `!${key}`,
  };
  fc.assert(
    fc.property(fc.array(requirement, { minLength: 1, maxLength: 5 }), (requirements) => {
      const text = requirements.map(({ key, operator, values }) => written[operator]?.(key, values)).join(',');
      assert.deepEqual(parseLabelSelector(text), requirements);
    }),
  );
});

test('any text is a selector or a StatusError', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'ab,=!<>() inot'), maxLength: 20 }), (text) => {
      try {
        parseLabelSelector(text);
      } catch (error) {
        assert.ok(error instanceof StatusError, String(error));
      }
    }),
  );
});
