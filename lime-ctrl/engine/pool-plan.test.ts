import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { keepUsedMs, type PoolMachine, type PoolWorld, planPool, type Shape } from './pool-plan.ts';

const small: Shape = { image: 'a', cpu: 1, memory: 256 };
const large: Shape = { image: 'b', cpu: 2, memory: 1024 };
const nowMs = 10_000_000;
const always = { shape: small, always: true, usedAtMs: 0 };
const lately = { shape: large, always: false, usedAtMs: nowMs - 1000 };

function world(given: Partial<PoolWorld>): PoolWorld {
  return {
    machines: [],
    making: 0,
    targets: [],
    failures: new Map(),
    roomMiB: 4096,
    drainUntilMs: 0,
    holdUntilMs: 0,
    nowMs,
    ...given,
  };
}

function machine(given: Partial<PoolMachine> = {}): PoolMachine {
  return { uid: 'm', node: 'n', owner: 'pool', state: 'waiting', used: false, shape: small, held: undefined, ...given };
}

test('what is always wanted and what was used lately is made, within room and rate', () => {
  assert.deepEqual(planPool(world({ targets: [always, lately] })).create, [small, large]);
  assert.deepEqual(planPool(world({ targets: [always, lately], roomMiB: 1024 })).create, [small]);
  assert.deepEqual(planPool(world({ targets: [always, lately], making: 2 })).create, []);
  assert.deepEqual(planPool(world({ targets: [{ ...lately, usedAtMs: nowMs - keepUsedMs }] })).create, []);
});

test('a machine that is being made counts', () => {
  assert.deepEqual(planPool(world({ targets: [always], machines: [machine({ state: 'making' })] })).create, []);
});

test('nothing is made while a run has just begun', () => {
  assert.deepEqual(planPool(world({ targets: [always], holdUntilMs: nowMs + 1 })).create, []);
});

test('a shape that fails waits for its backoff', () => {
  const failures = (agoMs: number) => new Map([['a|1|256', { count: 1, atMs: nowMs - agoMs }]]);
  assert.deepEqual(planPool(world({ targets: [always], failures: failures(1000) })).create, []);
  assert.deepEqual(planPool(world({ targets: [always], failures: failures(5000) })).create, [small]);
});

test('left over by a process that died: unused ones are adopted, used and one-run ones destroyed', () => {
  const machines = [
    machine({ uid: 'fresh' }),
    machine({ uid: 'used', used: true }),
    machine({ uid: 'once', owner: 'execute' }),
    machine({ uid: 'failed', state: 'ended' }),
  ];
  const plan = planPool(world({ targets: [always], machines }));
  assert.deepEqual(
    plan.destroy.map(({ uid }) => uid),
    ['used', 'once', 'failed'],
  );
  assert.deepEqual(plan.create, []);
});

test('draining destroys what waits, never what is live', () => {
  const machines = [machine({ uid: 'waits' }), machine({ uid: 'live', held: 'live', used: true })];
  const plan = planPool(world({ targets: [always], machines, drainUntilMs: nowMs + 1 }));
  assert.deepEqual(
    plan.destroy.map(({ uid }) => uid),
    ['waits'],
  );
  assert.deepEqual(plan.create, []);
});

test('carrying out the plan ends in a world that needs none', () => {
  const anyMachine = fc.record({
    owner: fc.constantFrom('pool' as const, 'execute' as const),
    state: fc.constantFrom('making' as const, 'waiting' as const, 'ended' as const),
    used: fc.boolean(),
    shape: fc.constantFrom(small, large),
    held: fc.constantFrom('live' as const, 'spent' as const, undefined),
  });
  fc.assert(
    fc.property(fc.array(anyMachine, { maxLength: 12 }), fc.subarray([always, lately]), (given, targets) => {
      let machines = given.map((each, index) => machine({ ...each, uid: `${index}` }));
      for (let round = 0; round < 4; round += 1) {
        const plan = planPool(world({ machines, targets }));
        assert.ok(plan.destroy.every(({ held }) => held !== 'live'));
        machines = machines.filter((each) => !plan.destroy.includes(each));
        machines = machines.map((each) => (each.state === 'making' ? { ...each, state: 'waiting' } : each));
        machines.push(...plan.create.map((shape, index) => machine({ shape, uid: `${round}/${index}` })));
      }
      assert.deepEqual(planPool(world({ machines, targets })), { create: [], destroy: [], deferred: 0 });
    }),
  );
});
