import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type PoolMachine, type PoolWorld, planPool, readyWanted, type Target } from './pool-plan.ts';
import { keyOfShape, type Shape } from './shape.ts';

const small: Shape = { image: 'a', cpu: 1, memory: 256, interpreter: 'python' };
const large: Shape = { image: 'b', cpu: 2, memory: 1024, interpreter: '' };
const nowMs = 10_000_000;

function target(shape: Shape, given: Partial<Target> = {}): Target {
  const quiet = { askedPerSecond: 0, askedAtMs: 0, refillMs: 300 };
  return { shape, minReady: 1, maxReady: 8, firm: true, ...quiet, ...given };
}
const always = target(small);
const lately = target(large, { firm: false });

function world(given: Partial<PoolWorld>): PoolWorld {
  return {
    machines: [],
    busy: 0,
    targets: [],
    failures: new Map(),
    roomMiB: 4096,
    drainUntilMs: 0,
    holdUntilMs: 0,
    adopting: false,
    nowMs,
    ...given,
  };
}

function machine(given: Partial<PoolMachine> = {}): PoolMachine {
  return { uid: 'm', node: 'n', owner: 'pool', state: 'waiting', used: false, shape: small, held: undefined, ...given };
}

const uids = (machines: PoolMachine[]) => machines.map(({ uid }) => uid);
const waiting = (count: number, given: Partial<PoolMachine> = {}) =>
  Array.from({ length: count }, (_, index) => machine({ uid: `w${index}`, ...given }));

test('what is wanted is made, within room and rate', () => {
  assert.deepEqual(planPool(world({ targets: [always, lately] })).create, [small, large]);
  const tight = planPool(world({ targets: [always, lately], roomMiB: 1024 }));
  assert.deepEqual(tight.create, [small]);
  assert.deepEqual([...tight.deferred], [[keyOfShape(large), 'room']]);
  assert.deepEqual(planPool(world({ targets: [always, lately], busy: 2 })).create, []);
  assert.deepEqual(planPool(world({ targets: [always, lately], busy: 1 })).create, [small]);
});

test('what boots is made one at a time', () => {
  const slow = target(small, { minReady: 3, refillMs: 3_000 });
  assert.deepEqual(planPool(world({ targets: [slow] })).create, [small]);
  assert.deepEqual(planPool(world({ targets: [slow], busy: 1 })).create, []);
});

test('a machine that is being made counts', () => {
  assert.deepEqual(planPool(world({ targets: [always], machines: [machine({ state: 'making' })] })).create, []);
});

test('nothing is made while a run has just begun', () => {
  const plan = planPool(world({ targets: [always], holdUntilMs: nowMs + 1 }));
  assert.deepEqual([plan.create, [...plan.deferred.values()]], [[], ['turn']]);
});

test('a shape that fails waits for its backoff', () => {
  const failures = (agoMs: number) => new Map([[keyOfShape(small), { count: 1, atMs: nowMs - agoMs }]]);
  const plan = planPool(world({ targets: [always], failures: failures(1000) }));
  assert.deepEqual([plan.create, [...plan.deferred.values()]], [[], ['failed']]);
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
  assert.deepEqual(uids(plan.destroy), ['used', 'once', 'failed']);
  assert.deepEqual(plan.create, []);
});

test('before all targets are known, what waits stays, but not what was used', () => {
  const machines = [machine({ uid: 'fresh' }), machine({ uid: 'used', used: true })];
  assert.deepEqual(uids(planPool(world({ machines, adopting: true })).destroy), ['used']);
  assert.deepEqual(uids(planPool(world({ machines })).destroy), ['fresh', 'used']);
});

test('draining destroys what waits, never what is live', () => {
  const machines = [machine({ uid: 'waits' }), machine({ uid: 'live', held: 'live', used: true })];
  const plan = planPool(world({ targets: [always], machines, drainUntilMs: nowMs + 1, adopting: true }));
  assert.deepEqual(uids(plan.destroy), ['waits']);
  assert.deepEqual(plan.create, []);
});

test('as many wait as are asked for while one is made, and never more than the maximum', () => {
  const wanted = (given: Partial<Target>) => readyWanted(target(small, given));
  assert.equal(wanted({}), 1);
  assert.equal(wanted({ askedPerSecond: 1 }), 2);
  assert.equal(wanted({ askedPerSecond: 10, refillMs: 300 }), 4);
  assert.equal(wanted({ askedPerSecond: 100, refillMs: 300 }), 8);
  assert.equal(wanted({ askedPerSecond: 2, refillMs: 60_000 }), 3, 'a slow boot does not call for a crowd');
  assert.equal(wanted({ minReady: 0, maxReady: 0, askedPerSecond: 100 }), 0);
});

test('what demand added goes slowly: only when nobody asked for a while; what is above the maximum goes at once', () => {
  const machines = waiting(5);
  const busy = target(small, { askedAtMs: nowMs - 1000 });
  assert.equal(planPool(world({ targets: [busy], machines })).destroy.length, 0);
  assert.equal(planPool(world({ targets: [{ ...busy, maxReady: 3 }], machines })).destroy.length, 2);
  assert.equal(planPool(world({ targets: [always], machines })).destroy.length, 4);
});

test('those that wait are kept before those that are being made', () => {
  const machines = [machine({ uid: 'making', state: 'making' }), machine({ uid: 'waits' })];
  assert.deepEqual(uids(planPool(world({ targets: [always], machines })).destroy), ['making']);
});

test('minimums come first, the emptiest of them before the others', () => {
  const many = target(small, { minReady: 4 });
  const plan = planPool(world({ targets: [many, lately], machines: waiting(2) }));
  assert.deepEqual(plan.create, [large, small]);
});

const anyMachine = fc.record({
  owner: fc.constantFrom('pool' as const, 'execute' as const),
  state: fc.constantFrom('making' as const, 'waiting' as const, 'ended' as const),
  used: fc.boolean(),
  shape: fc.constantFrom(small, large),
  held: fc.constantFrom('live' as const, 'spent' as const, undefined),
});
const anyTarget = (shape: Shape) =>
  fc
    .record({
      minReady: fc.nat(4),
      extra: fc.nat(4),
      firm: fc.boolean(),
      refillMs: fc.constantFrom(300, 3_000),
      askedPerSecond: fc.nat(50),
      askedAtMs: fc.constantFrom(0, nowMs - 1),
    })
    .map(({ extra, ...given }) => target(shape, { ...given, maxReady: given.minReady + extra }));
const anyTargets = fc
  .tuple(anyTarget(small), anyTarget(large))
  .chain((targets) => fc.subarray(targets, { minLength: 0 }));

test('carrying out the plan ends in a world that needs none', () => {
  fc.assert(
    fc.property(fc.array(anyMachine, { maxLength: 12 }), anyTargets, (given, targets) => {
      let machines = given.map((each, index) => machine({ ...each, uid: `${index}` }));
      for (let round = 0; round < 24; round += 1) {
        const plan = planPool(world({ machines, targets, roomMiB: 100_000 }));
        assert.ok(plan.destroy.every(({ held }) => held !== 'live'));
        machines = machines.filter((each) => !plan.destroy.includes(each));
        machines = machines.map((each) => (each.state === 'making' ? { ...each, state: 'waiting' } : each));
        machines.push(...plan.create.map((shape, index) => machine({ shape, uid: `${round}/${index}` })));
      }
      const last = planPool(world({ machines, targets, roomMiB: 100_000 }));
      assert.deepEqual(last, { create: [], destroy: [], deferred: new Map() });
      for (const each of targets) {
        const count = machines.filter(({ shape, held }) => shape === each.shape && held === undefined).length;
        assert.ok(count >= readyWanted(each) && count <= each.maxReady, `${count} of ${JSON.stringify(each)}`);
      }
    }),
  );
});

test('no plan makes more than the rate, the room and the maximum allow', () => {
  fc.assert(
    fc.property(
      fc.array(anyMachine, { maxLength: 12 }),
      anyTargets,
      fc.nat(4096),
      fc.nat(3),
      (given, targets, roomMiB, busy) => {
        const machines = given.map((each, index) => machine({ ...each, uid: `${index}` }));
        const plan = planPool(world({ machines, targets, roomMiB, busy }));
        assert.ok(plan.create.length <= Math.max(0, 2 - busy));
        assert.ok(plan.create.reduce((sum, { memory }) => sum + memory, 0) <= roomMiB);
        for (const each of targets) {
          const kept = machines.filter((one) => one.shape === each.shape && !one.held && !plan.destroy.includes(one));
          const made = plan.create.filter((shape) => shape === each.shape).length;
          assert.ok(kept.length <= each.maxReady);
          assert.ok(made === 0 || kept.length + made <= readyWanted(each));
        }
      },
    ),
  );
});
