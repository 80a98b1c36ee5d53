import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { idleMs, type Observed, patienceMs, planScale, type ScalableNode } from './plan.ts';

const nowMs = 10_000_000;
const demand = (memory: number) => ({ image: 'i', cpu: 1, memory });
const node = (name: string, given: Partial<ScalableNode> = {}): ScalableNode => ({
  name,
  memoryMiB: 1024,
  draining: false,
  starting: false,
  busyMachines: 1,
  idleSinceMs: undefined,
  ...given,
});
const idle = (name: string, forMs = idleMs) => node(name, { busyMachines: 0, idleSinceMs: nowMs - forMs });
const plan = (given: Partial<Observed>) =>
  planScale({
    ...{ replicas: 1, min: 0, max: 10, nodes: [node('a')], pending: [], pendingSinceMs: undefined },
    ...{ changedAtMs: 0, nowMs },
    ...given,
  });
const waiting = (...memories: number[]) => ({ pending: memories.map(demand), pendingSinceMs: nowMs - patienceMs });

test('as many more as what waits fills, those on their way counted', () => {
  assert.equal(plan(waiting(512)).replicas, 2);
  assert.equal(plan(waiting(600, 600, 400, 400, 512)).replicas, 4);
  assert.equal(plan({ ...waiting(600, 600), replicas: 3 }).replicas, 3);
  assert.equal(plan({ ...waiting(512), max: 1 }).replicas, 1);
  assert.equal(plan({ ...waiting(512), pendingSinceMs: nowMs }).replicas, 1, 'it has just begun to wait');
  assert.equal(plan({ ...waiting(512), nodes: [node('a', { draining: true })], replicas: 1 }).replicas, 1);
  assert.equal(plan({ ...waiting(512, 512), nodes: [], replicas: 0 }).replicas, 1, 'the size is not known yet');
  const starting = [node('a'), node('b', { starting: true })];
  assert.equal(plan({ ...waiting(512), replicas: 2, nodes: starting }).replicas, 2, 'one is starting');
  assert.equal(plan(waiting(2048)).replicas, 1, 'no node will ever hold it');
});

test('one that has been idle for long goes, the cheapest to lose; never below the minimum', () => {
  const given = { replicas: 3, nodes: [node('a', { busyMachines: 4 }), idle('b'), idle('c', idleMs + 1)] };
  const down = plan(given);
  assert.equal(down.replicas, 2);
  assert.deepEqual(
    [...down.costs],
    [
      ['a', 4],
      ['b', 0],
      ['c', -1000],
    ],
  );
  assert.match(down.why, /^c has had nothing to do/);
  assert.equal(plan({ ...given, min: 3 }).replicas, 3);
  assert.equal(plan({ ...given, changedAtMs: nowMs - 1000 }).replicas, 3, 'one after the other');
  assert.equal(plan({ ...given, replicas: 4 }).replicas, 4, 'one is on its way');
  assert.equal(plan({ ...given, ...waiting(64), pendingSinceMs: nowMs }).replicas, 3, 'somebody waits');
  assert.equal(plan({ replicas: 1, nodes: [idle('a', 1000)] }).replicas, 1);
});

test('what somebody else set beyond the bounds is brought back', () => {
  assert.equal(plan({ replicas: 99 }).replicas, 10);
  assert.equal(plan({ replicas: 0, min: 2, nodes: [] }).replicas, 2);
});

interface World {
  replicas: number;
  free: number[];
  pending: number[];
}

test('whatever is asked for is met within the bounds, and what is idle goes in the end', () => {
  const memories = fc.array(fc.integer({ min: 64, max: 1024 }), { maxLength: 30 });
  fc.assert(
    fc.property(memories, fc.integer({ min: 0, max: 3 }), fc.integer({ min: 1, max: 12 }), (asked, min, span) => {
      const max = min + span;
      const world: World = { replicas: min, free: Array.from({ length: min }, () => 1024), pending: [...asked] };
      let time = nowMs;
      const observe = (): Observed => ({
        ...{ replicas: world.replicas, min, max, changedAtMs: time - idleMs, nowMs: time },
        nodes: world.free.map((left, at) => (left === 1024 ? { ...idle(`n${at}`), idleSinceMs: 0 } : node(`n${at}`))),
        pending: world.pending.map(demand),
        pendingSinceMs: world.pending.length > 0 ? time - patienceMs : undefined,
      });
      const settle = () => {
        for (let round = 0; round < 40; round += 1) {
          const { replicas } = planScale(observe());
          assert.ok(replicas >= min && replicas <= max);
          world.replicas = replicas;
          while (world.free.length < replicas) world.free.push(1024);
          if (world.free.length > replicas) world.free.splice(world.free.indexOf(1024), 1);
          world.pending = world.pending.filter((memory) => {
            const at = world.free.findIndex((left) => left >= memory);
            if (at >= 0) world.free[at] = (world.free[at] ?? 0) - memory;
            return at < 0;
          });
          time += 1000;
        }
      };
      settle();
      assert.ok(world.pending.length === 0 || world.replicas === max);
      world.pending = [];
      world.free = world.free.map(() => 1024);
      settle();
      assert.equal(world.replicas, min);
    }),
  );
});
