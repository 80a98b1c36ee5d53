// What callers notice of a replica that ends, and how long it waits for them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeLogger } from '@tvm/kit/log.ts';
import { makeManualClock } from '@tvm/kit/manual-clock.ts';
import { drain } from './drain.ts';
import { eventually, postJson, startHarness } from './testing/harness.ts';

const log = makeLogger('test', 'silent');

test('a replica that ends is there for those that have not heard of it, then for what is under way, and not for ever', async () => {
  const clock = makeManualClock();
  const answered = Promise.withResolvers<void>();
  const done: string[] = [];
  const rest = {
    takeNoMore: () => {
      done.push('takes no more');
      return answered.promise;
    },
  };
  const gateway = { letGo: async () => void done.push('lets go') };
  const draining = drain({ rest, gateway, clock, log }, 30_000).then(() => done.push('over'));
  await clock.advance(4_000);
  assert.deepEqual(done, []);
  await clock.advance(2_000);
  assert.deepEqual(done, ['takes no more', 'lets go']);
  answered.resolve();
  await draining;
  assert.equal(done.at(-1), 'over');
  const patient = drain({ rest: { takeNoMore: () => new Promise(() => {}) }, gateway, clock, log }, 30_000);
  await clock.advance(5_000);
  await clock.advance(25_000);
  await patient;
});

test('a server that takes no more answers what it has, on connections that callers keep as well', async () => {
  await using harness = await startHarness();
  await (await harness.fetch('/v1/microvms')).text();
  const running = harness.fetch('/v1/execute', postJson({ code: 'print begun\nhang', timeoutSeconds: 1 }));
  await eventually(() => [...harness.flintlock.machines.values()].some(({ used }) => used));
  let closed = false;
  const answered = harness.rest.takeNoMore().then(() => {
    closed = true;
  });
  await assert.rejects(harness.fetch('/v1/microvms', { headers: { connection: 'close' } }));
  assert.equal(closed, false);
  const { stdout, timedOut } = (await (await running).json()) as { stdout: string; timedOut: boolean };
  assert.deepEqual([stdout, timedOut], ['begun\n', true]);
  await answered;
});
