import assert from 'node:assert/strict';
import { test } from 'node:test';
import { quantile, sample } from './sample.ts';

test('scenarios run in turn and the first round does not count', async () => {
  const order: string[] = [];
  const scenario = (name: string) => ({
    name,
    what: name,
    run: async () => {
      order.push(name);
    },
  });
  const rows = await sample([scenario('a'), scenario('b')], 2, () => {});
  assert.deepEqual(order, ['a', 'b', 'a', 'b', 'a', 'b']);
  assert.deepEqual(
    rows.map((row) => row.runs),
    [2, 2],
  );
});

test('quantile takes the nearest rank', () => {
  assert.equal(quantile([1, 2, 3, 4], 0), 1);
  assert.equal(quantile([1, 2, 3, 4], 0.5), 2);
  assert.equal(quantile([1, 2, 3, 4], 0.99), 4);
});
