import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeManualClock } from '@tvm/kit/manual-clock.ts';
import fc from 'fast-check';
import { makeExpiringCache } from './expiring-cache.ts';

test('never more than allowed, never older than said', async () => {
  const step = fc.record({ key: fc.nat(9), goodForMs: fc.nat(50), laterMs: fc.nat(30) });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const clock = makeManualClock();
      const cache = makeExpiringCache<{ untilMs: number }>(4, clock);
      for (const { key, goodForMs, laterMs } of steps) {
        const fresh = { value: { untilMs: clock.now() + goodForMs }, goodForMs };
        const { untilMs } = await cache.get(String(key), async () => fresh);
        assert.ok(untilMs >= clock.now());
        assert.ok(cache.size <= 4);
        await clock.advance(laterMs);
      }
    }),
  );
});

test('what is used stays, what is not goes; failures are asked again', async () => {
  const cache = makeExpiringCache<number>(2, makeManualClock());
  let asked = 0;
  const get = (key: string) => cache.get(key, async () => ({ value: ++asked, goodForMs: 1000 }));
  await get('a');
  await get('b');
  await get('a');
  await get('c');
  assert.equal(await get('a'), 1);
  assert.equal(await get('b'), 4);
  await assert.rejects(cache.get('x', () => Promise.reject(new Error('no'))));
  assert.equal(await get('x'), 5);
});
