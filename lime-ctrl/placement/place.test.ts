import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ObservedNode, place } from './place.ts';

const demand = { image: 'i', cpu: 1, memory: 512 };
const node = (name: string, given: Partial<ObservedNode> = {}): ObservedNode => ({
  name,
  reachable: true,
  sinceMs: 0,
  cordoned: false,
  draining: false,
  cpus: 4,
  memoryMiB: 4096,
  memoryFreeMiB: 2048,
  machines: 0,
  machinesAlike: 0,
  machineLimit: 0,
  images: [],
  templates: [],
  ...given,
});
const chosen = (nodes: ObservedNode[], preferred?: string) => place(demand, nodes, preferred).node;

test('the image decides unless its node is much fuller, then free memory, then few machines, then the name', () => {
  assert.equal(chosen([node('a', { memoryFreeMiB: 3500 }), node('b', { images: ['i'] })]), 'b');
  assert.equal(chosen([node('a', { memoryFreeMiB: 4096 }), node('b', { memoryFreeMiB: 600, images: ['i'] })]), 'a');
  assert.equal(chosen([node('a'), node('b', { memoryFreeMiB: 3000 })]), 'b');
  assert.equal(chosen([node('a', { machines: 2 }), node('b')]), 'b');
  assert.equal(chosen([node('b'), node('a')]), 'a');
  assert.equal(chosen([node('a', { images: ['i'] }), node('b')], 'b'), 'b');
});

test('a template of the very kind is worth a fuller node, but not a crowd', () => {
  const template = { ...demand, interpreter: '' };
  const with3000 = node('a', { memoryFreeMiB: 3000, images: ['i'] });
  const has = { images: ['i'], templates: [template] };
  assert.equal(chosen([with3000, node('b', { memoryFreeMiB: 2500, ...has })]), 'b');
  assert.equal(chosen([with3000, node('b', { memoryFreeMiB: 1000, ...has })]), 'a');
  const other = { images: ['i'], templates: [{ ...template, memory: 256 }] };
  assert.equal(chosen([with3000, node('b', { memoryFreeMiB: 2500, ...other })]), 'a');
});

test('machines of one namespace are spread over nodes that are alike', () => {
  const crowded = node('a', { machinesAlike: 3, memoryFreeMiB: 2050 });
  assert.equal(chosen([crowded, node('b', { machines: 9 })]), 'b');
  assert.equal(chosen([crowded, node('b', { memoryFreeMiB: 700 })]), 'a');
});

test('cordoned and draining nodes get nothing new, not even what they had before', () => {
  const nodes = [node('a', { cordoned: true }), node('b', { draining: true })];
  const placement = place(demand, nodes, 'a');
  assert.ok(placement.node === undefined && placement.reason === 'NoNode');
  assert.equal(placement.message, 'a: is cordoned; b: is being drained');
  assert.equal(chosen([...nodes, node('c', { memoryFreeMiB: 512 })], 'a'), 'c');
});

test('a machine with a network waits for a node that has networks; where none has, the node says what is missing', () => {
  const without = node('a', { networksUnavailable: 'nft is missing' });
  const full = node('b', { memoryFreeMiB: 100 });
  const networked = { ...demand, network: { egress: 'open' } };
  assert.equal(place(networked, [without, node('c')], 'a').node, 'c');
  const placement = place(networked, [without, full]);
  assert.ok(placement.node === undefined && placement.reason === 'NoRoom');
  assert.equal(placement.message, 'a: has no networks for machines; b: has 100 MB free of 4096 MB, 512 MB asked');
  const large = place({ ...networked, cpu: 9 }, [node('a', { cpus: 16, networksUnavailable: 'x' }), node('b')]);
  assert.ok(large.node === undefined && large.reason === 'TooLarge');
  assert.equal(place(networked, [without]).node, 'a');
  assert.equal(place(networked, [without, node('b', { cordoned: true })]).node, 'a');
  assert.equal(place({ ...demand, network: { egress: 'none' } }, [without, full]).node, 'a');
});

test('a machine with a share of processor time goes where that can be limited', () => {
  const nodes = [node('a', { limitsUnavailable: 'EROFS' }), node('b', { memoryFreeMiB: 600 })];
  assert.equal(place({ ...demand, limits: { cpuPercent: 50 } }, nodes).node, 'b');
  assert.equal(place({ ...demand, limits: {} }, nodes).node, 'a');
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
