import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import fc from 'fast-check';
import { makeManualClock } from '../manual-clock.ts';
import { makeWorkQueue } from './work-queue.ts';

const never = new AbortController().signal;

test('a key waits once, comes again when added while worked on, and never twice at a time', async () => {
  const queue = makeWorkQueue(makeManualClock());
  queue.add('a');
  queue.add('a');
  assert.equal(await queue.next(never), 'a');
  assert.equal(queue.depth, 0);
  queue.add('a');
  assert.equal(queue.depth, 0);
  queue.done('a');
  assert.equal(await queue.next(never), 'a');
});

test('later means later, and the earlier time wins', async () => {
  const clock = makeManualClock();
  const queue = makeWorkQueue(clock);
  queue.addAfter('a', 1000);
  queue.addAfter('a', 5000);
  await clock.advance(999);
  assert.equal(queue.depth, 0);
  await clock.advance(1);
  assert.equal(queue.depth, 1);
  await queue.next(never);
  queue.done('a');
  await clock.advance(10_000);
  assert.equal(queue.depth, 0);
});

test('failures wait longer and longer, bounded; a success forgets them', async () => {
  const clock = makeManualClock();
  const queue = makeWorkQueue(clock, { baseMs: 100, maxMs: 400 }, () => 1);
  for (const waitMs of [100, 200, 400, 400]) {
    queue.addFailed('a');
    await clock.advance(waitMs - 1);
    assert.equal(queue.depth, 0);
    await clock.advance(1);
    assert.equal(await queue.next(never), 'a');
    queue.done('a');
  }
  queue.forget('a');
  queue.addFailed('a');
  await clock.advance(100);
  assert.equal(queue.depth, 1);
});

test('an abort frees those who wait', async () => {
  const queue = makeWorkQueue(makeManualClock());
  const stop = new AbortController();
  const waiting = queue.next(stop.signal);
  stop.abort();
  assert.equal(await waiting, undefined);
});

test('a wait that is over leaves nothing on the signal, which lives as long as the program', async () => {
  const queue = makeWorkQueue(makeManualClock());
  const { signal } = new AbortController();
  for (let time = 0; time < 3; time += 1) {
    const waiting = queue.next(signal);
    queue.add('a');
    queue.done((await waiting) as string);
  }
  assert.equal(getEventListeners(signal, 'abort').length, 0);
});

test('whatever is added is handed out, and no key to two at once', async () => {
  const operation = fc.tuple(fc.constantFrom('add', 'take', 'done'), fc.constantFrom('a', 'b', 'c'));
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { maxLength: 40 }), async (operations) => {
      const queue = makeWorkQueue(makeManualClock());
      const working = new Set<string>();
      const owed = new Set<string>();
      for (const [verb, key] of operations) {
        if (verb === 'add') {
          queue.add(key);
          owed.add(key);
        } else if (verb === 'done' && working.delete(key)) queue.done(key);
        else if (verb === 'take' && queue.depth > 0) {
          const next = (await queue.next(never)) as string;
          assert.ok(!working.has(next));
          working.add(next);
          owed.delete(next);
        }
      }
      for (const key of working) queue.done(key);
      while (queue.depth > 0) owed.delete((await queue.next(never)) as string);
      assert.deepEqual([...owed], []);
    }),
  );
});
