// MicroVMs and waiting machines while nodes are cordoned, drained, end and come back, through the whole of lime-ctrl.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MachineState } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import { events, microVms } from '@tvm/kit/kube/client.ts';
import { makeFakeFlintlock } from './testing/fake-flintlock.ts';
import { eventually, type Harness, microVm, startHarness } from './testing/harness.ts';

const get = ({ kube }: Harness, name: string) => kube.get(microVms, 'default', name);
const runsOn = (harness: Harness, name: string, node: string) =>
  eventually(async () => {
    const { status } = await get(harness, name);
    return status?.phase === 'Running' && status.host === node;
  });
const reasons = async (harness: Harness, name: string) =>
  (await harness.kube.list(events)).items
    .filter(({ involvedObject }) => involvedObject.name === name)
    .map(({ reason }) => reason);

async function withTwoNodes(harness: Harness) {
  const other = makeFakeFlintlock('node-b');
  harness.fleet.join('node-b', other.client);
  await eventually(() => harness.fleet.nodes().every(({ reachable }) => reachable));
  return other;
}

test('a cordoned node keeps what it has and gets nothing new', async () => {
  await using harness = await startHarness();
  await harness.kube.create(microVms, microVm('old'));
  await runsOn(harness, 'old', 'node-a');
  const other = await withTwoNodes(harness);
  harness.fleet.mark('node-a', { cordoned: true, draining: false });
  for (const name of ['x', 'y', 'z']) {
    await harness.kube.create(microVms, microVm(name));
    await runsOn(harness, name, 'node-b');
  }
  assert.deepEqual([harness.flintlock.machines.size, other.machines.size], [1, 3]);
  await runsOn(harness, 'old', 'node-a');
});

test('a node that ends: its machines end in order, and start anew where there is room', async () => {
  await using harness = await startHarness({
    warm: [{ image: 'tvm/python', cpu: 1, memory: 256, interpreter: 'python' }],
  });
  await eventually(() => harness.pool.view()[0]?.waiting);
  const { metadata } = await harness.kube.create(microVms, microVm('demo'));
  await runsOn(harness, 'demo', 'node-a');
  const other = await withTwoNodes(harness);
  harness.fleet.mark('node-a', { cordoned: true, draining: true });
  await runsOn(harness, 'demo', 'node-b');
  await eventually(() => harness.flintlock.machines.size === 0 && other.machines.size === 2);
  const own = harness.flintlock.calls.filter((call) => call.endsWith(metadata.uid ?? '-'));
  assert.deepEqual(own, [`create ${metadata.uid}`, `stop ${metadata.uid}`, `destroy ${metadata.uid}`]);
  const told = await eventually(async () => {
    const list = await reasons(harness, 'demo');
    return list.filter((reason) => reason === 'Started').length === 2 ? list : undefined;
  });
  assert.ok(told.includes('NodeDrained') && !told.includes('MachineLost'), `${told}`);
  harness.fleet.leave('node-a');
  await runsOn(harness, 'demo', 'node-b');
});

test('the only node is drained, and another takes its place', async () => {
  await using harness = await startHarness();
  await harness.kube.create(microVms, microVm('demo'));
  await runsOn(harness, 'demo', 'node-a');
  harness.fleet.mark('node-a', { cordoned: false, draining: true });
  const waiting = await eventually(async () => {
    const vm = await get(harness, 'demo');
    return vm.status?.message?.includes('no place for it yet') ? vm : undefined;
  });
  assert.deepEqual([waiting.status?.phase, waiting.status?.reason], ['Pending', 'NodeDrained']);
  const next = makeFakeFlintlock('node-a');
  harness.fleet.join('node-a', next.client);
  harness.fleet.mark('node-a', { cordoned: false, draining: false });
  await runsOn(harness, 'demo', 'node-a');
  assert.equal(next.machines.size, 1);
});

test('a node that is gone, and comes back with what was replaced', async () => {
  await using harness = await startHarness();
  const { metadata } = await harness.kube.create(microVms, microVm('demo'));
  await runsOn(harness, 'demo', 'node-a');
  harness.fleet.leave('node-a');
  const lost = await eventually(async () => {
    const vm = await get(harness, 'demo');
    return vm.status?.reason === 'NodeGone' ? vm : undefined;
  });
  assert.match(lost.status?.message ?? '', /node node-a has ended, and the machine with it; no place for it yet/);
  const other = makeFakeFlintlock('node-b');
  harness.fleet.join('node-b', other.client);
  await runsOn(harness, 'demo', 'node-b');
  harness.flintlock.change(metadata.uid ?? '', { state: MachineState.FAILED, reason: 'VmmExited' });
  harness.fleet.join('node-a', harness.flintlock.client);
  await eventually(() => harness.flintlock.machines.size === 0);
  await runsOn(harness, 'demo', 'node-b');
  assert.equal(other.machines.size, 1);
  const told = await reasons(harness, 'demo');
  assert.equal(told.filter((reason) => reason === 'NodeGone').length, 1, `${told}`);
});

test('a MicroVM whose node has ended can be deleted at once', async () => {
  await using harness = await startHarness();
  await harness.kube.create(microVms, microVm('demo'));
  await runsOn(harness, 'demo', 'node-a');
  harness.fleet.leave('node-a');
  await harness.kube.delete(microVms, 'default', 'demo');
  await eventually(() =>
    get(harness, 'demo').then(
      () => false,
      (error) => error.code === 'not_found',
    ),
  );
});
