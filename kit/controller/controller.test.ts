import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TvmError } from '@tvm/api/errors.ts';
import { makeLogger } from '../log.ts';
import { makeManualClock } from '../manual-clock.ts';
import { runController } from './controller.ts';
import { makeWorkQueue } from './work-queue.ts';

test('success, requeue, conflict, error and terminal error each do what they say', async () => {
  const clock = makeManualClock();
  const queue = makeWorkQueue(clock, { baseMs: 100, maxMs: 1000 }, () => 1);
  const stop = new AbortController();
  const outcomes: string[] = [];
  const results = [
    () => ({}),
    () => ({ requeueAfterMs: 50 }),
    () => {
      throw new TvmError('aborted', 'conflict');
    },
    () => {
      throw new Error('boom');
    },
    () => {
      throw new TvmError('invalid_argument', 'wrong for good');
    },
  ];
  const running = runController(
    {
      name: 'test',
      queue,
      clock,
      concurrency: 2,
      log: makeLogger('test', 'silent'),
      reconcile: async () => (results.shift() ?? (() => ({})))(),
      onReconciled: (_, outcome) => outcomes.push(outcome),
    },
    stop.signal,
  );
  queue.add('a');
  await clock.advance(0);
  queue.add('a');
  await clock.advance(50);
  assert.deepEqual(outcomes, ['success', 'requeue', 'conflict']);
  await clock.advance(100);
  assert.equal(outcomes.at(-1), 'error');
  await clock.advance(200);
  assert.equal(outcomes.at(-1), 'terminal');
  await clock.advance(60_000);
  assert.equal(outcomes.length, 5);
  stop.abort();
  await running;
});
