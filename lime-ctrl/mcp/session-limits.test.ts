import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeManualClock } from '@tvm/kit/manual-clock.ts';
import { makeSessionLimits } from './session-limits.ts';

function begun(limits: ReturnType<typeof makeSessionLimits>, uid: string, count: number) {
  const open: { end: () => void }[] = [];
  try {
    for (let at = 0; at < count; at += 1) open.push(limits.begin(uid));
  } catch (error) {
    assert.equal((error as { code: string }).code, 'resource_exhausted');
  }
  return open;
}

test('so many at once, so many a second, each session for itself', async () => {
  const clock = makeManualClock();
  const limits = makeSessionLimits(clock);
  const open = begun(limits, 'a', 1_000);
  assert.equal(open.length, 128);
  assert.equal(begun(limits, 'b', 1).length, 1);
  for (const { end } of open) end();
  open[0]?.end();
  const short = () => begun(limits, 'a', 1).map(({ end }) => end()).length;
  let allowed = 0;
  while (short() === 1) allowed += 1;
  assert.equal(allowed, 300 - 128);
  await clock.advance(1_000);
  allowed = 0;
  while (short() === 1) allowed += 1;
  assert.equal(allowed, 100);
});

test('sessions that no longer call are forgotten, those with open streams are not', async () => {
  const clock = makeManualClock();
  const limits = makeSessionLimits(clock);
  for (let at = 0; at < 1_000; at += 1) limits.begin(`s${at}`).end();
  limits.begin('stream');
  await clock.advance(61_000);
  limits.begin('new');
  assert.equal(limits.size, 2);
});
