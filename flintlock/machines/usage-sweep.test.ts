import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TvmError } from '@tvm/api/errors.ts';
import { makeManualClock } from '@tvm/kit/manual-clock.ts';
import type { VmUsage } from '../vmm/driver.ts';
import type { Machines } from './machines.ts';
import type { MachineRecord } from './record.ts';
import { makeUsageSweep } from './usage-sweep.ts';

function setUp(uids: string[]) {
  const clock = makeManualClock();
  const records = new Map(uids.map((uid) => [uid, { uid, state: 'running', suspended: false } as MachineRecord]));
  const asked: string[] = [];
  let answer = async (_: string): Promise<VmUsage> => ({ residentBytes: 1, cpuTimeMs: 1 });
  const vm = ((uid: string) => ({ id: uid, folder: '' })) as unknown as Machines['vm'];
  const look = makeUsageSweep({
    machines: { list: () => [...records.values()], vm },
    driver: {
      usage: async ({ id }) => {
        asked.push(id);
        return await answer(id);
      },
    },
    clock,
  });
  return { clock, records, asked, look, answers: (next: typeof answer) => (answer = next) };
}

const numbers = (used: { record: MachineRecord; usage: VmUsage }[]) =>
  Object.fromEntries(used.map(({ record, usage }) => [record.uid, usage.cpuTimeMs]));

test('all who look at once, or soon after, share one sweep', async () => {
  const { clock, look, asked } = setUp(['a', 'b']);
  await Promise.all([look(), look(), look()]);
  await look();
  assert.deepEqual(asked, ['a', 'b']);
  await clock.advance(1_000);
  assert.deepEqual(numbers(await look()), { a: 1, b: 1 });
  assert.equal(asked.length, 4);
});

test('a VMM that does not answer holds nobody up, keeps its numbers and is not asked again meanwhile', async () => {
  const { clock, look, asked, answers } = setUp(['a', 'b']);
  await look();
  const stuck = Promise.withResolvers<VmUsage>();
  answers(async (id) => (id === 'a' ? await stuck.promise : { residentBytes: 1, cpuTimeMs: 2 }));
  for (let round = 0; round < 3; round += 1) {
    await clock.advance(1_000);
    const looking = look();
    await clock.advance(2_000);
    assert.deepEqual(numbers(await looking), { a: 1, b: 2 });
  }
  assert.equal(asked.filter((id) => id === 'a').length, 2);
  stuck.resolve({ residentBytes: 1, cpuTimeMs: 9 });
  await clock.advance(1_000);
  assert.deepEqual(numbers(await look()), { a: 9, b: 2 });
});

test('what ended, rests on disk or is gone has no numbers', async () => {
  const { clock, look, records, answers } = setUp(['ended', 'suspended', 'stopped', 'gone', 'up']);
  await look();
  answers(async (id) => {
    if (id === 'ended') throw new TvmError('failed_precondition', 'it is ended');
    return { residentBytes: 1, cpuTimeMs: 1 };
  });
  records.set('suspended', { ...records.get('suspended'), state: 'paused', suspended: true } as MachineRecord);
  records.set('stopped', { ...records.get('stopped'), state: 'stopped' } as MachineRecord);
  records.delete('gone');
  await clock.advance(1_000);
  assert.deepEqual(numbers(await look()), { up: 1 });
});
