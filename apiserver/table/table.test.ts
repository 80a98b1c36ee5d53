import assert from 'node:assert/strict';
import { test } from 'node:test';
import { durationText } from './age.ts';
import { setAt, valueAt } from './json-path.ts';

test('ages as kubectl words them', () => {
  const second = 1000;
  const [minute, hour, day] = [60 * second, 3600 * second, 86_400 * second];
  const rows: [number, string][] = [
    [-5 * second, '<invalid>'],
    [0, '0s'],
    [119 * second, '119s'],
    [2 * minute, '2m'],
    [3 * minute + 20 * second, '3m20s'],
    [179 * minute, '179m'],
    [3 * hour, '3h'],
    [7 * hour + 5 * minute, '7h5m'],
    [47 * hour, '47h'],
    [2 * day + 5 * hour, '2d5h'],
    [9 * day, '9d'],
    [800 * day, '2y70d'],
  ];
  for (const [duration, text] of rows) assert.equal(durationText(duration), text);
});

test('the paths of columns', () => {
  const root = {
    a: { b: 0 },
    list: [
      { type: 'Ready', reason: 'x' },
      { type: 'Other', reason: 'y' },
    ],
  };
  assert.equal(valueAt(root, '.a.b'), 0);
  assert.equal(valueAt(root, '.list[?(@.type=="Other")].reason'), 'y');
  assert.equal(valueAt(root, '.list[0].reason'), 'x');
  assert.equal(valueAt(root, '.list[*].type'), 'Ready');
  assert.equal(valueAt(root, '.a.zork.b'), undefined);
  assert.throws(() => valueAt(root, '.a[?zork]'), /not understood/);
  const object = {};
  setAt(object, '.spec.n', 3);
  assert.deepEqual(object, { spec: { n: 3 } });
});
