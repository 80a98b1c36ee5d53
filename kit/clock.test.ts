import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from './clock.ts';

test('a sleep of months is not over at once', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const monthMs = 30 * 24 * 3_600_000;
  let over = false;
  const sleeping = systemClock.sleep(monthMs, AbortSignal.any([])).then(() => {
    over = true;
  });
  const pass = async (ms: number) => {
    t.mock.timers.tick(ms);
    await new Promise((resolve) => setImmediate(resolve));
  };
  await pass(2 ** 31 - 1);
  assert.equal(over, false);
  await pass(monthMs - 2 ** 31);
  assert.equal(over, false);
  await pass(1);
  assert.equal(over, true);
  await sleeping;
});

test('a sleep of months ends when it is aborted', async () => {
  const stop = new AbortController();
  const sleeping = systemClock.sleep(2 ** 40, stop.signal);
  stop.abort();
  await sleeping;
});
