import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { defaultUserRange, freeUser, parseUserRange } from './users.ts';

test('a range of users is one of ordinary users, or none', () => {
  assert.deepEqual(parseUserRange(defaultUserRange), { first: 200000, last: 299999 });
  assert.deepEqual(parseUserRange('1000-1000'), { first: 1000, last: 1000 });
  for (const text of ['', '0-5', '999-2000', '2000-1000', '1000', '1000-', 'a-b', '1000-4294967295', '1000-2000\n']) {
    assert.equal(parseUserRange(text), undefined, text);
  }
});

test('a user is of the range and not taken, until all are', () => {
  const range = { first: 5000, last: 5007 };
  const some = fc.uniqueArray(fc.integer({ min: 4998, max: 5009 }), { maxLength: 12 });
  fc.assert(
    fc.property(some, fc.double({ min: 0, max: 1, noNaN: true }), (list, draw) => {
      const taken = new Set(list);
      const isFull = [...Array(8).keys()].every((offset) => taken.has(5000 + offset));
      if (isFull) return assert.throws(() => freeUser(range, taken, draw), { code: 'resource_exhausted' });
      const user = freeUser(range, taken, draw);
      assert.ok(user >= 5000 && user <= 5007 && !taken.has(user));
    }),
  );
});
