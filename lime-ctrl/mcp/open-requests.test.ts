import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeManualClock } from '@tvm/kit/manual-clock.ts';
import { makeOpenRequests } from './open-requests.ts';

test('what is ended, once, and what stays', () => {
  const requests = makeOpenRequests(makeManualClock());
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
  assert.equal(requests.size, 2);
  add('b', 7, 0);
  requests.endBelow('b', Number.POSITIVE_INFINITY);
  requests.endBelow('none', Number.POSITIVE_INFINITY);
  assert.deepEqual([requests.size, ended.toSorted()], [1, ['a1', 'b1', 'b7']]);
});

test('a request ends within a minute of the life of its token, and no sooner', async () => {
  const clock = makeManualClock();
  const requests = makeOpenRequests(clock);
  const stop = new AbortController();
  const running = requests.run(stop.signal);
  const lifeMs = 86_400_000;
  let ends = 0;
  const expiresAtMs = clock.now() + lifeMs;
  requests.add({ uid: 'a', generation: 1, expiresAtMs, end: () => (ends += 1) });
  requests.add({
    uid: 'a',
    generation: 1,
    expiresAtMs: expiresAtMs + lifeMs,
    end: () => assert.fail('its token is good'),
  });
  await clock.advance(lifeMs - 1);
  assert.equal(ends, 0);
  await clock.advance(60_000);
  assert.deepEqual([ends, requests.size], [1, 1]);
  stop.abort();
  await running;
});
