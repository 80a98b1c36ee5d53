import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ObservedNode, place } from './place.ts';

const demand = { image: 'i', cpu: 1, memory: 512 };
const node = (name: string, given: Partial<ObservedNode> = {}): ObservedNode => ({
  name,
  reachable: true,
  sinceMs: 0,
  cpus: 4,
  memoryMiB: 4096,
  memoryFreeMiB: 2048,
  machines: 0,
  machineLimit: 0,
  images: [],
  ...given,
});
const chosen = (nodes: ObservedNode[], preferred?: string) => place(demand, nodes, preferred).node;

test('the image decides, then free memory, then few machines, then the name', () => {
  assert.equal(chosen([node('a', { memoryFreeMiB: 4000 }), node('b', { images: ['i'] })]), 'b');
  assert.equal(chosen([node('a'), node('b', { memoryFreeMiB: 3000 })]), 'b');
  assert.equal(chosen([node('a', { machines: 2 }), node('b')]), 'b');
  assert.equal(chosen([node('b'), node('a')]), 'a');
  assert.equal(chosen([node('a', { images: ['i'] }), node('b')], 'b'), 'b');
});

test('nodes that do not answer, are full, or too small are not chosen, and it is said why', () => {
  const nodes = [
    node('away', { reachable: false }),
    node('full', { machines: 5, machineLimit: 5 }),
    node('low', { memoryFreeMiB: 100 }),
  ];
  const placement = place(demand, nodes);
  assert.ok(placement.node === undefined);
  assert.equal(placement.reason, 'NoRoom');
  assert.match(placement.message, /full: has its limit of 5 machines; low: has 100 MB free of 4096 MB, 512 MB asked/);
  const large = place({ ...demand, cpu: 9 }, nodes);
  assert.ok(large.node === undefined && large.reason === 'TooLarge');
});
