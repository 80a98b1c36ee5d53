import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ForkView, SnapshotView } from '@tvm/api/rest/snapshots.ts';
import type { Problem } from '@tvm/api/rest/stream.ts';
import { microVmSnapshots, microVms } from '@tvm/kit/kube/client.ts';
import { eventually, type Harness, microVm, postJson, startHarness } from '../testing/harness.ts';

async function startedHarness(spec: Parameters<typeof microVm>[1] = {}): Promise<Harness> {
  const harness = await startHarness();
  await harness.kube.create(microVms, {
    ...microVm('demo', spec),
    metadata: { name: 'demo', namespace: 'default', labels: { a: 'b' } },
  });
  await isRunning(harness, 'demo');
  return harness;
}

const isRunning = (harness: Harness, name: string) =>
  eventually(async () => (await harness.kube.get(microVms, 'default', name)).status?.phase === 'Running');
const fork = (harness: Harness, body: unknown, name = 'demo') =>
  harness.fetch(`/v1/microvms/${name}/fork`, postJson(body));

test('snapshot, list, read, delete', async () => {
  await using harness = await startedHarness();
  const created = await harness.fetch('/v1/microvms/demo/snapshot', postJson({ name: 'one' }));
  assert.equal(created.status, 201);
  const read = async (path: string) => (await (await harness.fetch(path)).json()) as SnapshotView;
  const taken = await eventually(async () => {
    const view = await read('/v1/snapshots/one');
    return view.status.readyToUse ? view : undefined;
  });
  assert.deepEqual([taken.microVM, taken.deletionPolicy, taken.status.sizeBytes], ['demo', 'Delete', 5]);
  await harness.fetch('/v1/microvms/demo/snapshot', postJson({}));
  const { items } = (await (await harness.fetch('/v1/snapshots')).json()) as { items: SnapshotView[] };
  assert.equal(items.length, 2);
  const deleted = await harness.fetch('/v1/snapshots/one', { method: 'DELETE' });
  assert.deepEqual([deleted.status, ((await deleted.json()) as SnapshotView).deleting], [202, true]);
  await eventually(async () => (await harness.fetch('/v1/snapshots/one')).status === 404);
  assert.equal((await harness.fetch('/v1/microvms/none/snapshot', postJson({}))).status, 404);
  assert.equal((await harness.fetch('/v1/microvms/demo/snapshot', postJson({ name: 'Bad Name' }))).status, 400);
});

test('fork: machines that continue the running one, from one snapshot that is theirs', async () => {
  await using harness = await startedHarness({ command: ['sleep'], env: [{ name: 'A', value: '1' }], ttlSeconds: 900 });
  const response = await fork(harness, { count: 3 });
  assert.equal(response.status, 201);
  const { snapshot, items } = (await response.json()) as ForkView;
  assert.equal(new Set(items.map(({ name }) => name)).size, 3);
  for (const { name, spec, labels } of items) {
    assert.match(name, /^demo-/);
    assert.deepEqual([spec.snapshot, spec.command, spec.ttlSeconds, spec.env?.length], [snapshot, undefined, 900, 1]);
    assert.deepEqual(labels, { a: 'b' });
    await isRunning(harness, name);
  }
  assert.equal(harness.flintlock.calls.filter((call) => call.startsWith('snapshot')).length, 1);
  const machines = items.map(({ uid }) => harness.flintlock.machines.get(uid));
  assert.ok(machines.every((machine) => machine?.restored));
  assert.equal(new Set(machines.map((machine) => machine?.bootId)).size, 3);
  const { metadata } = await harness.kube.get(microVmSnapshots, 'default', snapshot);
  assert.deepEqual(metadata.ownerReferences?.map(({ uid }) => uid).toSorted(), items.map(({ uid }) => uid).toSorted());
});

test('fork: what the image runs goes on in the memory, it is not run again', async () => {
  await using harness = await startedHarness({ runEntrypoint: true, args: ['x'] });
  const { items } = (await (await fork(harness, {})).json()) as ForkView;
  assert.deepEqual([items[0]?.spec.runEntrypoint, items[0]?.spec.args], [undefined, undefined]);
});

test('fork: all or none; bounds; only what is up', async () => {
  await using harness = await startedHarness();
  assert.equal((await fork(harness, { names: ['one', 'two'] })).status, 201);
  const taken = await fork(harness, { names: ['three', 'two'] });
  assert.equal(taken.status, 409);
  await eventually(async () => (await harness.fetch('/v1/microvms/three')).status === 404);
  assert.equal((await harness.kube.list(microVmSnapshots)).items.length, 1);
  for (const body of [
    { count: 0 },
    { count: 65 },
    { count: 2, names: ['x'] },
    { names: ['x', 'x'] },
    { names: [] },
    { n: 1 },
  ]) {
    assert.equal((await fork(harness, body)).status, 400, JSON.stringify(body));
  }
  assert.equal((await fork(harness, {}, 'none')).status, 404);
  await harness.fetch('/v1/microvms/demo/stop', { method: 'POST' });
  await eventually(async () => (await harness.kube.get(microVms, 'default', 'demo')).status?.phase === 'Stopped');
  const stopped = await fork(harness, {});
  assert.equal(stopped.status, 412);
  assert.match(((await stopped.json()) as Problem).detail, /MicroVM demo is Stopped/);
});
