import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withConditions } from './conditions.ts';

const ready = (status: 'True' | 'False', reason = 'R') => ({ type: 'Ready', status, reason, message: 'm' });

test('no change gives the very same list; the time moves only with the status', () => {
  const first = withConditions(undefined, [ready('False')], 1000);
  assert.equal(first[0]?.lastTransitionTime, '1970-01-01T00:00:01Z');
  assert.equal(withConditions(first, [ready('False')], 5000), first);
  const reworded = withConditions(first, [ready('False', 'Other')], 5000);
  assert.equal(reworded[0]?.lastTransitionTime, '1970-01-01T00:00:01Z');
  assert.equal(withConditions(reworded, [ready('True')], 5000)[0]?.lastTransitionTime, '1970-01-01T00:00:05Z');
});

test('other conditions stay where they are', () => {
  const before = withConditions(undefined, [{ ...ready('True'), type: 'Scheduled' }, ready('False')], 0);
  assert.deepEqual(
    withConditions(before, [ready('True')], 1).map(({ type }) => type),
    ['Scheduled', 'Ready'],
  );
});
