import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeLogger } from '@tvm/kit/log.ts';
import { makeManualClock } from '@tvm/kit/manual-clock.ts';
import type { GuestConnection } from '../guest/connection.ts';
import { watchLiveness } from './liveness.ts';
import { type MachineRecord, newRecord } from './record.ts';

const spec = {
  ...{ image: 'x', cpus: 1, memoryMiB: 64, command: [], args: [], hostname: '', snapshot: '' },
  ...{ interpreter: '', standby: false, template: false },
};

/** One machine; how its guest answers is set by the test. */
function world() {
  const clock = makeManualClock();
  const stop = new AbortController();
  const seen = { asked: 0, givenUp: [] as string[] };
  const guest = { answers: true, state: 'running' as MachineRecord['state'] };
  const machines = {
    list: () => [{ ...newRecord({ uid: 'a', generation: 1, spec, labels: {} }, 0), state: guest.state }],
    guest: async (_uid: string, signal: AbortSignal) => {
      seen.asked += 1;
      if (!guest.answers)
        await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
      return answering;
    },
    giveUp: (uid: string) => seen.givenUp.push(uid),
  };
  const log = makeLogger('test', 'silent');
  const ended = watchLiveness({ machines, clock, log }, stop.signal);
  const end = async () => {
    stop.abort();
    await clock.advance(0);
    await ended;
  };
  return { clock, guest, seen, end };
}

/** A connection whose every call is answered by a pong. */
const answering = {
  async *call() {
    yield { case: 'pong', value: {} };
  },
} as unknown as GuestConnection;

test('a guest that answers is asked again and again and left alone', async () => {
  const { clock, seen, end } = world();
  await clock.advance(200_000);
  await end();
  assert.ok(seen.asked >= 9);
  assert.deepEqual(seen.givenUp, []);
});

test('one that is silent for long is given up; one that answers in between is not', async () => {
  const { clock, guest, seen, end } = world();
  for (let round = 0; round < 5; round += 1) {
    guest.answers = false;
    await clock.advance(50_000);
    guest.answers = true;
    await clock.advance(40_000);
  }
  assert.deepEqual(seen.givenUp, []);
  guest.answers = false;
  await clock.advance(120_000);
  assert.equal(seen.givenUp[0], 'a');
  await end();
});

test('one that is paused while it is asked has missed nothing', async () => {
  const { clock, guest, seen, end } = world();
  guest.answers = false;
  for (let round = 0; round < 6; round += 1) {
    guest.state = 'running';
    await clock.advance(21_000);
    guest.state = 'paused';
    await clock.advance(9_000);
  }
  assert.deepEqual(seen.givenUp, []);
  assert.ok(seen.asked > 0);
  await end();
});
