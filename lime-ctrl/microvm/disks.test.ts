import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TvmError } from '@tvm/api/errors.ts';
import { type MicroVm, type MicroVmStatus, newDisksAnnotation } from '@tvm/api/kinds/microvm.ts';
import { conditionOf } from '@tvm/kit/kube/conditions.ts';
import type { ObservedNode } from '../placement/place.ts';
import { observe } from '../testing/observed-microvm.ts';
import { diskPlaces, disksFor, disksGrown } from './disks.ts';
import { evictionOf } from './moving.ts';
import { planMicroVm } from './plan.ts';
import { notGrownStatus } from './status.ts';

const disk = { name: 'data', sizeMB: 64, mountPath: '/data', retain: true };

function microVm(persistentStorage: MicroVm['spec']['persistentStorage'], status: MicroVmStatus = {}): MicroVm {
  return {
    apiVersion: 'vvm.tvm.github.com/v1alpha1',
    kind: 'MicroVM',
    metadata: { name: 'box', namespace: 'team', uid: 'u' },
    spec: { image: 'tvm/python', cpu: 1, memory: 256, desiredState: 'Running', persistentStorage },
    status,
  };
}

function node(name: string, more: Partial<ObservedNode> = {}): ObservedNode {
  return {
    ...{ name, reachable: true, sinceMs: 0, cordoned: false, draining: false, cpus: 4, memoryMiB: 1024 },
    ...{ memoryFreeMiB: 1024, machines: 0, machinesAlike: 0, machineLimit: 10, images: [], templates: [], ...more },
  };
}

const names = (vm: MicroVm, nodes: ObservedNode[]) => diskPlaces(vm, nodes).nodes?.map(({ name }) => name);

test('a retained disk has a key of its namespace, MicroVM and name; another goes with its machine', () => {
  const other = { ...disk, name: 'work', mountPath: '/work', retain: false };
  assert.deepEqual(
    disksFor(microVm([disk, other])).map(({ retainedAs }) => retainedAs),
    ['team/box/data', ''],
  );
});

test('a machine with disks stays where it ran, and waits for that node', () => {
  const nodes = [node('one'), node('two')];
  const ran = { host: 'two', startedAt: '2026-01-01T00:00:00Z' };
  assert.deepEqual(names(microVm([disk]), nodes), ['one', 'two']);
  assert.deepEqual(names(microVm([disk], { host: 'two' }), nodes), ['one', 'two']);
  assert.deepEqual(names(microVm([disk], ran), nodes), ['two']);
  assert.equal(names(microVm([disk], ran), [node('one')]), undefined);
  assert.equal(names(microVm([disk], ran), [node('one'), node('two', { draining: true })]), undefined);
  assert.deepEqual(names(microVm(undefined, ran), [node('one')]), ['one']);
});

test('a new MicroVM goes where a disk was retained for its name', () => {
  const holder = node('two', { retainedDisks: ['team/box/data', 'team/other/data'] });
  assert.deepEqual(names(microVm([disk]), [node('one'), holder]), ['two']);
  assert.deepEqual(names(microVm([{ ...disk, retain: false }]), [node('one'), holder]), ['one', 'two']);
  assert.equal(names(microVm([disk]), [node('one', { retainedDisks: ['team/box/data'] }), holder]), undefined);
});

test('while a node has not told what it has, a MicroVM that retains disks waits, unless they are found or new ones are asked for', () => {
  const away = node('two', { reachable: false });
  const nodes = [node('one'), away];
  const places = diskPlaces(microVm([disk]), nodes);
  assert.equal(places.nodes, undefined);
  assert.match('message' in places ? places.message : '', /^two may have disks that were retained for it/);
  assert.deepEqual(names(microVm([{ ...disk, retain: false }]), nodes), ['one', 'two']);
  assert.deepEqual(names(microVm([disk]), [node('one', { retainedDisks: ['team/box/data'] }), away]), ['one']);
  assert.deepEqual(names(microVm([disk]), [node('one')]), ['one']);
  const toldBefore = (retainedDisks: string[]) => [node('one'), node('two', { reachable: false, retainedDisks })];
  assert.deepEqual(names(microVm([disk]), toldBefore(['team/other/data'])), ['one', 'two']);
  assert.deepEqual(names(microVm([disk]), toldBefore(['team/box/data'])), ['two'], 'it waits for that node');
  const vm = microVm([disk]);
  const annotated = (value: string) => ({
    ...vm,
    metadata: { ...vm.metadata, annotations: { [newDisksAnnotation]: value } },
  });
  assert.deepEqual(names(annotated('true'), nodes), ['one', 'two']);
  assert.equal(names(annotated('false'), nodes), undefined);
});

test('a machine with disks is stopped on a node that ends, not destroyed', () => {
  const machine = { uid: 'u', node: 'one', state: 'Running', reason: '' } as Parameters<typeof evictionOf>[1];
  assert.deepEqual(evictionOf(microVm([disk]), machine), [{ type: 'stopMachine', node: 'one' }]);
  assert.equal(evictionOf(microVm([disk]), { ...machine, state: 'Failed' }), undefined);
  assert.equal(evictionOf(microVm(undefined), machine)?.at(-1)?.type, 'destroyMachine');
});

test('a disk that is declared larger grows while its machine runs, after all else; how it stands is a condition', () => {
  const persistentStorage = [{ ...disk, sizeMB: 128 }];
  const machine = { disks: [{ name: 'data', sizeMiB: 64 }] };
  const planned = planMicroVm(observe({ spec: { persistentStorage }, machine }));
  assert.deepEqual(planned.actions, [{ type: 'growDisks', node: 'n1' }]);
  const growing = conditionOf(planned.status?.conditions, disksGrown);
  assert.deepEqual(
    [growing?.status, growing?.message],
    ['False', 'data: smaller than declared until the machine runs'],
  );
  const stopping = planMicroVm(observe({ spec: { persistentStorage, desiredState: 'Stopped' }, machine }));
  assert.deepEqual(stopping.actions, [{ type: 'stopMachine', node: 'n1' }]);
  const status = planned.status ?? {};
  const grown = planMicroVm(
    observe({ spec: { persistentStorage }, status, machine: { disks: [{ name: 'data', sizeMiB: 128 }] } }),
  );
  assert.deepEqual(grown.actions, []);
  assert.equal(conditionOf(grown.status?.conditions, disksGrown)?.status, 'True');
});

test('a growth that a node refuses is told, and the machine is as ready as before', () => {
  const running = planMicroVm(observe({ spec: { persistentStorage: [disk] }, machine: {} })).status ?? {};
  const error = new TvmError('resource_exhausted', '64 MiB are asked for', { reason: 'NoDiskRoom' });
  const { conditions, phase } = notGrownStatus(microVm([disk], running), error, 0);
  assert.deepEqual([phase, conditionOf(conditions, 'Ready')?.status], ['Running', 'True']);
  const { status, reason, message } = conditionOf(conditions, disksGrown) ?? {};
  assert.deepEqual([status, reason, message], ['False', 'NoDiskRoom', '64 MiB are asked for']);
});
