import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { quantile, timesOf } from './statistics.ts';

test('quantile takes the nearest rank', () => {
  assert.equal(quantile([1, 2, 3, 4], 0), 1);
  assert.equal(quantile([1, 2, 3, 4], 0.5), 2);
  assert.equal(quantile([1, 2, 3, 4], 0.99), 4);
  assert.throws(() => quantile([], 0.5), RangeError);
});

test('the times of a list are in order, and among it', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1 }), (list) => {
      const { minimumMs, medianMs, p90Ms, p99Ms } = timesOf(list);
      const all = [minimumMs, medianMs, p90Ms, p99Ms];
      assert.deepEqual(
        all,
        all.toSorted((a, b) => a - b),
      );
      assert.ok(all.every((each) => list.includes(each)));
    }),
  );
});
