import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Shape } from './shape.ts';
import { keepUsedMs, makeTargets } from './targets.ts';

const python: Shape = { image: 'tvm/python', cpu: 1, memory: 256, interpreter: 'python' };
const plain: Shape = { image: 'ubuntu', cpu: 1, memory: 256, interpreter: '' };
const sizes = (targets: ReturnType<typeof makeTargets>, nowMs = 1) =>
  targets.list(nowMs).map(({ shape, minReady, maxReady }) => [shape.image, minReady, maxReady]);

test('pools of one shape add up, and what the settings keep warm is the least', () => {
  const targets = makeTargets([python]);
  assert.deepEqual(sizes(targets), [['tvm/python', 1, 8]]);
  targets.declare('a', { shape: python, minReady: 2, maxReady: 3 });
  targets.declare('b', { shape: python, minReady: 1, maxReady: 2 });
  assert.deepEqual(sizes(targets), [['tvm/python', 3, 5]]);
  targets.declare('a', { shape: python, minReady: 0, maxReady: 0 });
  targets.declare('b', undefined);
  assert.deepEqual(sizes(targets), [['tvm/python', 1, 1]]);
});

test('what was used waits for a while, the last eight shapes of it', () => {
  const targets = makeTargets([]);
  for (let memory = 1; memory <= 20; memory += 1) targets.noteUsed({ ...plain, memory }, 1);
  assert.equal(targets.list(1).length, 8);
  assert.equal(targets.list(keepUsedMs + 1).length, 0);
});

test('what was used does not wait when that is switched off', () => {
  const targets = makeTargets([], false);
  targets.noteUsed(plain, 1);
  targets.noteAsked(plain, 1);
  assert.deepEqual([targets.list(1), targets.size], [[], 0]);
});

test('demand counts for the shape that serves it', () => {
  const targets = makeTargets([plain]);
  targets.noteAsked({ ...plain, interpreter: 'python' }, 5);
  assert.deepEqual(
    targets.list(5).map(({ shape, askedPerSecond, askedAtMs }) => [shape, askedPerSecond, askedAtMs]),
    [[plain, 1, 5]],
  );
});

test('nothing is remembered of what nobody wants any more', () => {
  const targets = makeTargets([]);
  for (let memory = 1; memory <= 1000; memory += 1) {
    const shape = { ...plain, memory };
    targets.noteAsked(shape, memory);
    targets.noteUsed(shape, memory);
    targets.noteMade(shape, 10);
    targets.list(memory);
  }
  assert.ok(targets.size <= 24, `${targets.size}`);
  targets.list(keepUsedMs * 2);
  assert.equal(targets.size, 0);
});
