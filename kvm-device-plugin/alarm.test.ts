import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeManualClock } from '@tvm/kit/manual-clock.ts';
import { Alarm } from './alarm.ts';

const never = new AbortController().signal;

test('a wait ends by its time, by a ring, by its signal, and by a ring that came before it', async () => {
  const clock = makeManualClock();
  const alarm = new Alarm(clock);
  let ended = 0;
  const wait = (signal = never) => alarm.wait(1000, signal).then(() => (ended += 1));
  const inTime = wait();
  await clock.advance(999);
  assert.equal(ended, 0);
  await clock.advance(1);
  await inTime;

  const rung = wait();
  alarm.ring();
  alarm.ring();
  await rung;

  const stop = new AbortController();
  const stopped = wait(stop.signal);
  stop.abort();
  await stopped;
  await wait(stop.signal);

  alarm.ring();
  await wait();
  const next = wait();
  await clock.advance(999);
  assert.equal(ended, 5);
  await clock.advance(1);
  await next;
});
