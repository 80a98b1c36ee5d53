// MicroVMPools from the object to the machines that wait and back to the status.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { apiVersion } from '@tvm/api/kinds/meta.ts';
import type { MicroVmPool } from '@tvm/api/kinds/microvm-pool.ts';
import type { ExecuteResult } from '@tvm/api/rest/execute.ts';
import { events, microVmPools, microVms } from '@tvm/kit/kube/client.ts';
import { conditionOf } from '@tvm/kit/kube/conditions.ts';
import { makeMemoryKube } from '@tvm/kit/kube/memory-client.ts';
import { soleReplica } from '../replicas/replicas.ts';
import { makeFakeFlintlock } from '../testing/fake-flintlock.ts';
import { eventually, type Harness, microVm, postJson, startHarness } from '../testing/harness.ts';

function pool(name: string, spec: Partial<MicroVmPool['spec']> = {}): MicroVmPool {
  return {
    apiVersion,
    kind: 'MicroVMPool',
    metadata: { name, namespace: 'default' },
    spec: { minReady: 2, template: { spec: { image: 'tvm/python', cpu: 1, memory: 128 } }, ...spec },
  };
}

const get = ({ kube }: Harness, name: string) => kube.get(microVmPools, 'default', name);
const reason = async (harness: Harness, name: string) =>
  conditionOf((await get(harness, name)).status?.conditions, 'Ready')?.reason;
const readyIs = (harness: Harness, name: string, ready: number) =>
  eventually(
    async () => (await get(harness, name)).status?.ready === ready && (await reason(harness, name)) === 'Ready',
  );

test('a pool fills, is claimed from, is scaled, and goes with its machines', async () => {
  await using harness = await startHarness();
  await harness.kube.create(microVmPools, pool('demo'));
  await readyIs(harness, 'demo', 2);
  assert.equal((await get(harness, 'demo')).status?.selector, 'vvm.tvm.github.com/pool=demo');
  const response = await harness.fetch('/v1/execute', postJson({ code: 'print x', memory: 128 }));
  assert.equal(((await response.json()) as ExecuteResult).machine.start, 'warm');
  await harness.kube.patch(microVmPools, 'default', 'demo', { spec: { minReady: 5 } });
  await eventually(async () => ((await get(harness, 'demo')).status?.ready ?? 0) >= 5);
  await harness.kube.patch(microVmPools, 'default', 'demo', { spec: { minReady: 0, maxReady: 0 } });
  await readyIs(harness, 'demo', 0);
  await harness.kube.patch(microVmPools, 'default', 'demo', { spec: { minReady: 1, maxReady: 1 } });
  await eventually(async () => ((await get(harness, 'demo')).status?.ready ?? 0) >= 1);
  await harness.kube.delete(microVmPools, 'default', 'demo');
  // What was used stays wanted for a while: one of it.
  await eventually(() => harness.flintlock.machines.size === 1);
  const told = (await harness.kube.list(events)).items.map((event) => event.reason);
  assert.ok(told.includes('Scaled') && told.includes('Ready'), `${told}`);
});

test('two pools of one shape add up', async () => {
  await using harness = await startHarness();
  await harness.kube.create(microVmPools, pool('one'));
  await harness.kube.create(microVmPools, pool('two', { minReady: 3 }));
  await readyIs(harness, 'one', 2);
  await readyIs(harness, 'two', 3);
  assert.equal(harness.flintlock.machines.size, 5);
  await harness.kube.delete(microVmPools, 'default', 'one');
  await eventually(() => harness.flintlock.machines.size === 3);
});

test('why a pool does not fill is a condition and an Event', async () => {
  await using harness = await startHarness();
  harness.flintlock.badImages.set('no/such', 'manifest unknown');
  const template = (image: string, memory: number) => ({ template: { spec: { image, cpu: 1, memory } } });
  await harness.kube.create(microVmPools, pool('bad', template('no/such', 64)));
  await eventually(async () => (await reason(harness, 'bad')) === 'ImagePullFailed');
  const said = (await harness.kube.list(events)).items.find((event) => event.reason === 'ImagePullFailed');
  assert.match(said?.message ?? '', /0 of 2 machines wait: manifest unknown/);
  await harness.kube.create(microVmPools, pool('vast', { minReady: 40 }));
  await eventually(async () => (await reason(harness, 'vast')) === 'NoRoom');
  assert.ok(((await get(harness, 'vast')).status?.ready ?? 0) >= 28);
  assert.ok(harness.flintlock.mostMiB <= harness.flintlock.memoryMiB);
});

test('declared machines get the room of those that wait, which return later', async () => {
  await using harness = await startHarness();
  await harness.kube.create(microVmPools, pool('demo', { minReady: 4 }));
  await readyIs(harness, 'demo', 4);
  await harness.kube.create(microVms, microVm('large', { memory: 4000 }));
  await eventually(async () => (await harness.kube.get(microVms, 'default', 'large')).status?.phase === 'Running');
  assert.equal(harness.flintlock.machines.size, 1);
});

test('the status is written at most once a second, and not when nothing changed', async () => {
  await using harness = await startHarness();
  await harness.kube.create(microVmPools, pool('demo', { minReady: 8 }));
  await readyIs(harness, 'demo', 8);
  const writes = () => harness.kube.writes.filter((write) => write.startsWith('updateStatus MicroVMPool')).length;
  assert.ok(writes() <= 4, `${writes()} writes`);
  const before = writes();
  await harness.kube.patch(microVmPools, 'default', 'demo', { metadata: { labels: { some: 'thing' } } });
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(writes(), before);
});

test('after a restart the machines of a declared pool are taken over, not made anew', async () => {
  await using harness = await startHarness();
  await harness.kube.create(microVmPools, pool('demo', { minReady: 3 }));
  await readyIs(harness, 'demo', 3);
  const before = [...harness.flintlock.machines.keys()].toSorted();
  await using second = await startHarness({ flintlock: harness.flintlock, kube: harness.kube });
  await eventually(() => second.pool.view()[0]?.waiting === 3);
  assert.deepEqual([...harness.flintlock.machines.keys()].toSorted(), before);
});

test('two replicas share a pool; its status counts what both keep', async () => {
  const shared = { kube: makeMemoryKube(), flintlock: makeFakeFlintlock() };
  const replica = (own: string) => ({ ...soleReplica(own), living: () => ['a', 'b'] });
  await using first = await startHarness({ ...shared, replicas: replica('a') });
  await using second = await startHarness({ ...shared, replicas: replica('b') });
  await first.kube.create(microVmPools, pool('demo', { minReady: 3, maxReady: 3 }));
  await readyIs(first, 'demo', 3);
  const waiting = [first, second].map((each) => each.pool.view().reduce((sum, view) => sum + view.waiting, 0));
  assert.deepEqual(waiting.toSorted(), [1, 2]);
  await first.kube.delete(microVmPools, 'default', 'demo');
  await eventually(() => shared.flintlock.machines.size === 0);
});
