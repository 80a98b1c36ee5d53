import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ObservedNode } from '../placement/place.ts';
import { makeRoom } from './make-room.ts';
import type { PoolMachine } from './pool-plan.ts';
import type { Shape } from './shape.ts';

const shape = (memory: number): Shape => ({ image: 'i', cpu: 1, memory, interpreter: '' });
const node = (name: string, given: Partial<ObservedNode> = {}): ObservedNode => ({
  name,
  reachable: true,
  sinceMs: 0,
  cordoned: false,
  draining: false,
  cpus: 2,
  memoryMiB: 2048,
  memoryFreeMiB: 100,
  machines: 4,
  machinesAlike: 0,
  machineLimit: 10,
  images: [],
  templates: [],
  ...given,
});
const waiting = (node: string, ...memories: number[]): PoolMachine[] =>
  memories.map((memory, index) => ({
    uid: `${node}${index}`,
    node,
    owner: 'pool',
    state: 'waiting',
    used: false,
    shape: shape(memory),
    held: undefined,
  }));
const going = (memory: number, nodes: ObservedNode[], machines: PoolMachine[]) =>
  makeRoom(shape(memory), nodes, machines).map(({ uid }) => uid);

test('as few as possible go, from one node', () => {
  const machines = [...waiting('a', 128, 128, 128), ...waiting('b', 512)];
  assert.deepEqual(going(256, [node('a'), node('b')], machines), ['b0']);
  assert.deepEqual(going(256, [node('a')], machines), ['a0', 'a1']);
});

test('none go when that is no help, or not needed', () => {
  const machines = waiting('a', 128, 128);
  assert.deepEqual(going(1024, [node('a')], machines), []);
  assert.deepEqual(going(64, [node('a')], machines), []);
  assert.deepEqual(going(256, [node('a', { reachable: false })], machines), []);
  assert.deepEqual(makeRoom({ ...shape(64), cpu: 8 }, [node('a')], machines), []);
});

test('a node full of machines gives one up', () => {
  assert.deepEqual(going(64, [node('a', { machines: 10 })], waiting('a', 128, 128)), ['a0']);
});
