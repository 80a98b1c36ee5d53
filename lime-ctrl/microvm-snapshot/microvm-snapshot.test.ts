// MicroVMSnapshots from the object to the files on the node, and machines that start from them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TvmError } from '@tvm/api/errors.ts';
import { apiVersion } from '@tvm/api/kinds/meta.ts';
import type { MicroVmSnapshot } from '@tvm/api/kinds/microvm-snapshot.ts';
import { events, microVmSnapshots, microVms } from '@tvm/kit/kube/client.ts';
import { conditionOf } from '@tvm/kit/kube/conditions.ts';
import { eventually, type Harness, microVm, startHarness } from '../testing/harness.ts';

function snapshot(name: string, deletionPolicy: 'Delete' | 'Retain' = 'Delete'): MicroVmSnapshot {
  const metadata = { name, namespace: 'default' };
  return { apiVersion, kind: 'MicroVMSnapshot', metadata, spec: { source: { microVM: 'demo' }, deletionPolicy } };
}

const get = ({ kube }: Harness, name: string) => kube.get(microVmSnapshots, 'default', name);
const reasonIs = (harness: Harness, name: string, reason: string) =>
  eventually(async () => conditionOf((await get(harness, name)).status?.conditions, 'Ready')?.reason === reason);
const phaseIs = (harness: Harness, name: string, phase: string) =>
  eventually(async () => {
    const vm = await harness.kube.get(microVms, 'default', name);
    return vm.status?.phase === phase ? vm : undefined;
  });
const gone = (harness: Harness, name: string) =>
  eventually(() =>
    get(harness, name).then(
      () => false,
      (error) => error.code === 'not_found',
    ),
  );

test('a snapshot waits for its source, is taken, starts machines, and goes with its files', async () => {
  await using harness = await startHarness();
  await harness.kube.create(microVmSnapshots, snapshot('one'));
  await reasonIs(harness, 'one', 'SourceNotFound');
  await harness.kube.create(microVms, microVm('demo'));
  await reasonIs(harness, 'one', 'Ready');
  const { status } = await get(harness, 'one');
  assert.deepEqual([status?.phase, status?.readyToUse, status?.hosts], ['Ready', true, ['node-a']]);
  assert.deepEqual([status?.image, status?.cpu, status?.memory], ['tvm/python', 1, 256]);
  assert.equal(harness.flintlock.snapshots.size, 1);
  await harness.kube.create(microVms, microVm('child', { snapshot: 'one' }));
  const child = await phaseIs(harness, 'child', 'Running');
  const machine = harness.flintlock.machines.get(child.metadata.uid ?? '');
  assert.deepEqual([machine?.restored, machine?.spec?.snapshot], [true, [...harness.flintlock.snapshots.keys()][0]]);
  await harness.kube.delete(microVmSnapshots, 'default', 'one');
  await gone(harness, 'one');
  assert.equal(harness.flintlock.snapshots.size, 0);
  const told = (await harness.kube.list(events)).items
    .filter(({ involvedObject }) => involvedObject.name === 'one')
    .map(({ reason }) => reason);
  for (const reason of ['SourceNotFound', 'InProgress', 'Ready', 'Deleting']) assert.ok(told.includes(reason), reason);
});

test('Retain leaves the files', async () => {
  await using harness = await startHarness();
  await harness.kube.create(microVms, microVm('demo'));
  await harness.kube.create(microVmSnapshots, snapshot('kept', 'Retain'));
  await reasonIs(harness, 'kept', 'Ready');
  await harness.kube.delete(microVmSnapshots, 'default', 'kept');
  await gone(harness, 'kept');
  assert.equal(harness.flintlock.snapshots.size, 1);
});

test('files that were left behind become those of another snapshot of the machine, and of nobody else', async () => {
  await using harness = await startHarness();
  const { kube, flintlock } = harness;
  await kube.create(microVms, microVm('demo'));
  await kube.create(microVmSnapshots, snapshot('kept', 'Retain'));
  await reasonIs(harness, 'kept', 'Ready');
  const retained = (await get(harness, 'kept')).status?.files ?? '';
  assert.deepEqual([...flintlock.snapshots.keys()], [retained]);
  await kube.delete(microVmSnapshots, 'default', 'kept');
  await gone(harness, 'kept');

  const claim = (name: string, microVM: string, namespace = 'default') => {
    const { spec, ...rest } = snapshot(name);
    const metadata = { name, namespace };
    return kube.create(microVmSnapshots, { ...rest, metadata, spec: { ...spec, source: { microVM, retained } } });
  };
  await claim('thief', 'demo', 'elsewhere');
  await claim('other', 'another');
  const stolen = () => kube.get(microVmSnapshots, 'elsewhere', 'thief');
  const refused = async (read: () => Promise<MicroVmSnapshot>) =>
    conditionOf((await read()).status?.conditions, 'Ready')?.reason === 'FilesNotFound';
  await eventually(async () => (await refused(stolen)) && (await refused(() => get(harness, 'other'))));
  await kube.delete(microVmSnapshots, 'elsewhere', 'thief');
  await kube.delete(microVmSnapshots, 'default', 'other');
  await gone(harness, 'other');
  assert.equal(flintlock.snapshots.size, 1);

  await claim('again', 'demo');
  await reasonIs(harness, 'again', 'Ready');
  assert.equal((await get(harness, 'again')).status?.generation, 1);
  await kube.delete(microVmSnapshots, 'default', 'again');
  await gone(harness, 'again');
  assert.equal(flintlock.snapshots.size, 0);
});

test('what the node refuses is told, and tried again', async () => {
  await using harness = await startHarness();
  harness.flintlock.snapshotError = new TvmError('resource_exhausted', 'no space left on the disk', {
    reason: 'NoSpace',
  });
  await harness.kube.create(microVms, microVm('demo'));
  await phaseIs(harness, 'demo', 'Running');
  await harness.kube.create(microVmSnapshots, snapshot('full'));
  await reasonIs(harness, 'full', 'NoSpace');
  assert.equal((await get(harness, 'full')).status?.phase, 'Failed');
  harness.flintlock.snapshotError = undefined;
  await reasonIs(harness, 'full', 'Ready');
});

test('a node that goes away is a condition, and the snapshot is there again with it', async () => {
  await using harness = await startHarness();
  await harness.kube.create(microVms, microVm('demo'));
  await harness.kube.create(microVmSnapshots, snapshot('one'));
  await reasonIs(harness, 'one', 'Ready');
  harness.flintlock.goAway();
  await reasonIs(harness, 'one', 'NodeUnreachable');
  harness.flintlock.restore();
  await reasonIs(harness, 'one', 'Ready');
  assert.equal(harness.flintlock.calls.filter((call) => call.startsWith('snapshot')).length, 1);
});

test('a machine of another size, or of no snapshot, does not start from it, and says why', async () => {
  await using harness = await startHarness();
  await harness.kube.create(microVms, microVm('demo'));
  await harness.kube.create(microVms, microVm('early', { snapshot: 'one' }));
  await harness.kube.create(microVms, microVm('large', { snapshot: 'one', memory: 512 }));
  const waits = await phaseIs(harness, 'early', 'Pending');
  assert.equal(waits.status?.reason, 'SnapshotNotFound');
  await harness.kube.create(microVmSnapshots, snapshot('one'));
  await phaseIs(harness, 'early', 'Running');
  await eventually(
    async () => (await harness.kube.get(microVms, 'default', 'large')).status?.reason === 'SnapshotMismatch',
  );
  const { status } = await harness.kube.get(microVms, 'default', 'large');
  assert.match(status?.message ?? '', /256 MB, tvm\/python with 1 CPUs and 512 MB are asked for/);
});
