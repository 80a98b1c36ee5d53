import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeOpenRequests } from './open-requests.ts';

test('what is ended, once, and what stays', () => {
  const requests = makeOpenRequests();
  const ended: string[] = [];
  const add = (uid: string, generation: number, expiresAtMs: number) =>
    requests.add({ uid, generation, expiresAtMs, end: () => ended.push(`${uid}${generation}`) });
  const answered = add('a', 1, 1_000);
  add('a', 1, 1_000);
  add('a', 2, 50_000_000);
  add('b', 1, 50_000_000);
  answered();
  requests.endBelow('a', 2);
  assert.deepEqual(ended, ['a1']);
  requests.endOld(3_601_000);
  assert.equal(requests.size, 2);
  requests.endOld(53_600_001);
  assert.deepEqual(ended, ['a1', 'a2', 'b1']);
  add('b', 7, 0);
  requests.endBelow('b', Number.POSITIVE_INFINITY);
  requests.endBelow('none', Number.POSITIVE_INFINITY);
  assert.deepEqual([requests.size, ended.at(-1)], [0, 'b7']);
});
