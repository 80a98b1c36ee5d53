import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeLogger } from '@tvm/kit/log.ts';
import { makeManualClock } from '@tvm/kit/manual-clock.ts';
import { makeDrain } from './drain.ts';
import type { MachineRecord } from './machines/record.ts';

const machine = (state: string, template = false) => ({ state, spec: { template } }) as MachineRecord;
const log = makeLogger('test', 'silent');

test('a node that drains takes nothing new and waits until nothing is up, not for ever', async () => {
  const clock = makeManualClock();
  let machines = [machine('running'), machine('stopped'), machine('running', true)];
  const drain = makeDrain({ machines: { list: () => machines, destroy: async () => {} }, clock, log });
  drain.checkOpen();
  let ended = false;
  const running = drain.run(10_000).then(() => {
    ended = true;
  });
  assert.throws(() => drain.checkOpen(), { code: 'unavailable', reason: 'NodeDraining' });
  await clock.advance(5_000);
  assert.deepEqual([drain.draining, ended], [true, false]);
  machines = machines.slice(1);
  await clock.advance(1_000);
  assert.ok(ended);
  await running;
  machines = [machine('paused')];
  const again = drain.run(10_000);
  await clock.advance(11_000);
  await again;
});

test('machines that wait for their first caller are not waited for, they are ended', async () => {
  const clock = makeManualClock();
  const waiting = { uid: 'a', generation: 3, state: 'paused', used: false, spec: { template: false, standby: true } };
  let machines = [waiting, { ...waiting, uid: 'b', used: true }] as MachineRecord[];
  const destroyed: unknown[] = [];
  const destroy = async (uid: string, generation: number) => {
    destroyed.push([uid, generation]);
    machines = machines.filter((each) => each.uid !== uid);
  };
  const drain = makeDrain({ machines: { list: () => machines, destroy }, clock, log });
  let ended = false;
  const running = drain.run(10_000).then(() => {
    ended = true;
  });
  await clock.advance(1_000);
  assert.deepEqual([ended, destroyed], [false, []], 'one runs something');
  machines = machines.filter((each) => !each.used);
  await clock.advance(1_000);
  assert.deepEqual([ended, destroyed], [true, [['a', 3]]]);
  await running;
});
