import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { makeDemand } from './demand.ts';

test('the busiest second counts, and is forgotten by halves', () => {
  const demand = makeDemand();
  for (let at = 0; at < 100; at += 1) demand.note('a', 5_000 + at);
  assert.equal(demand.perSecond('a', 5_099), 100);
  assert.equal(demand.perSecond('a', 65_099), 50);
  demand.note('a', 65_099);
  assert.equal(demand.perSecond('a', 65_099), 50, 'one more does not end the memory of a burst');
  assert.equal(demand.askedAtMs('a'), 65_099);
  assert.ok(demand.perSecond('a', 5_099 + 1_200_000) < 0.001);
});

test('what was never asked for, or is forgotten, has none', () => {
  const demand = makeDemand();
  demand.note('a', 1);
  demand.forget('a');
  assert.deepEqual([demand.perSecond('a', 1), demand.askedAtMs('a'), [...demand.keys()]], [0, 0, []]);
});

test('it is never below what the last second asked for, nor above what any did', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(400), { minLength: 1, maxLength: 200 }), (gaps) => {
      const demand = makeDemand();
      const times: number[] = [];
      let nowMs = 1_000_000;
      for (const gap of gaps) {
        nowMs += gap;
        times.push(nowMs);
        demand.note('a', nowMs);
        const last = times.filter((each) => nowMs - each < 1_000).length;
        assert.ok(demand.perSecond('a', nowMs) >= last);
      }
      const most = Math.max(...times.map((end) => times.filter((each) => each <= end && end - each < 1_000).length));
      assert.ok(demand.perSecond('a', nowMs) <= most);
    }),
  );
});
