import assert from 'node:assert/strict';
import { test } from 'node:test';
import { apiVersion } from '@tvm/api/kinds/meta.ts';
import { type MicroVmSnapshot, snapshotFinalizer } from '@tvm/api/kinds/microvm-snapshot.ts';
import { conditionOf } from '@tvm/kit/kube/conditions.ts';
import type { ObservedMachine } from '../microvm/world.ts';
import { nodeGoneGraceMs, planMicroVmSnapshot } from './plan.ts';
import type { HeldSnapshot, Observed } from './world.ts';

const nowMs = Date.UTC(2030, 0, 1, 12);

interface Given {
  spec?: Partial<MicroVmSnapshot['spec']>;
  metadata?: Partial<MicroVmSnapshot['metadata']>;
  status?: MicroVmSnapshot['status'];
  source?: Partial<ObservedMachine>;
  observed?: Partial<Observed>;
}

const size = { image: 'i', cpu: 1, memory: 256 };
const held: HeldSnapshot = { node: 'n1', generation: 1, sizeBytes: 7, createdAtMs: nowMs, ...size };
const node = { name: 'n1', reachable: true, sinceMs: 0 };
const away = { ...node, reachable: false, sinceMs: nowMs - 1000 };
const deleted = { deletionTimestamp: new Date(nowMs - nodeGoneGraceMs).toISOString() };
const ready: MicroVmSnapshot['status'] = { phase: 'Ready', readyToUse: true, hosts: ['n1'] };

function observe({ spec, metadata, status, source, observed }: Given): Observed {
  const machine: ObservedMachine = {
    uid: 'vm',
    node: 'n1',
    generation: 3,
    state: 'Running',
    reason: '',
    message: '',
    bootMs: 1,
    restored: false,
    imageDigest: '',
    address: '',
    startedAtMs: 1,
    lastActiveAtMs: 0,
    openCalls: 0,
    exitCode: undefined,
    ...source,
  };
  return {
    snapshot: {
      apiVersion,
      kind: 'MicroVMSnapshot',
      metadata: {
        name: 's',
        namespace: 'default',
        uid: 'u',
        generation: 1,
        finalizers: [snapshotFinalizer],
        ...metadata,
      },
      spec: { source: { microVM: 'demo' }, deletionPolicy: 'Delete', ...spec },
      ...(status && { status }),
    },
    sourceExists: true,
    source: machine,
    held: [],
    nodes: [node],
    retryAtMs: 0,
    nowMs,
    ...observed,
  };
}

const rows: [name: string, given: Given, actions: string[], phase: string, reason: string][] = [
  ['new', { metadata: { finalizers: [] } }, ['addFinalizer', 'assignHost', 'takeSnapshot'], 'InProgress', 'InProgress'],
  [
    'assigned, crashed before it was taken',
    { status: { hosts: ['n1'] } },
    ['takeSnapshot'],
    'InProgress',
    'InProgress',
  ],
  ['taken', { status: { hosts: ['n1'] }, observed: { held: [held] } }, [], 'Ready', 'Ready'],
  ['a paused source', { source: { state: 'Paused' } }, ['assignHost', 'takeSnapshot'], 'InProgress', 'InProgress'],
  ['no source', { observed: { sourceExists: false, source: undefined } }, [], 'Pending', 'SourceNotFound'],
  ['a source without a machine', { observed: { source: undefined } }, [], 'Pending', 'SourceNotRunning'],
  ['a source that boots', { source: { state: 'Creating' } }, [], 'Pending', 'SourceNotRunning'],
  ['a source on a node that is away', { observed: { nodes: [away] } }, [], 'Pending', 'NodeUnreachable'],
  [
    'source gone, files there',
    { observed: { sourceExists: false, source: undefined, held: [held] } },
    [],
    'Ready',
    'Ready',
  ],
  ['its node away', { status: ready, observed: { nodes: [away] } }, [], 'Ready', 'NodeUnreachable'],
  ['its files gone', { status: ready }, [], 'Failed', 'SnapshotLost'],
  ['deleted', { metadata: deleted, status: ready, observed: { held: [held] } }, ['deleteFiles'], 'Ready', 'Deleting'],
  ['deleted, files gone', { metadata: deleted, status: ready }, ['removeFinalizer'], 'Ready', 'Deleting'],
  [
    'deleted, retained',
    { metadata: deleted, status: ready, spec: { deletionPolicy: 'Retain' }, observed: { held: [held] } },
    ['removeFinalizer'],
    'Ready',
    'Retained',
  ],
  [
    'deleted, node away',
    { metadata: deleted, status: ready, observed: { nodes: [away] } },
    [],
    'Ready',
    'NodeUnreachable',
  ],
  [
    'deleted, node gone for good',
    { metadata: deleted, status: ready, observed: { nodes: [{ ...away, sinceMs: nowMs - nodeGoneGraceMs }] } },
    ['removeFinalizer'],
    'Ready',
    'NodeGone',
  ],
  [
    'deleted, node no longer configured',
    { metadata: deleted, status: ready, observed: { nodes: [] } },
    ['removeFinalizer'],
    'Ready',
    'NodeGone',
  ],
  [
    'deleted, the node failed to delete just now',
    {
      metadata: deleted,
      status: {
        ...ready,
        conditions: [
          { type: 'Ready', status: 'False', reason: 'DeletionFailed', message: 'm', lastTransitionTime: 't' },
        ],
      },
      observed: { held: [held], retryAtMs: nowMs + 1 },
    },
    [],
    'Ready',
    'DeletionFailed',
  ],
  ['deleted before anything was done', { metadata: deleted }, ['removeFinalizer'], 'Pending', 'Deleting'],
];

for (const [name, given, actions, phase, reason] of rows) {
  test(`plan: ${name}`, () => {
    const observed = observe(given);
    const plan = planMicroVmSnapshot(observed);
    assert.deepEqual(
      plan.actions.map(({ type }) => type),
      actions,
    );
    assert.deepEqual([plan.status?.phase, conditionOf(plan.status?.conditions, 'Ready')?.reason], [phase, reason]);
    if (!observed.snapshot || !plan.status) throw new Error('no plan');
    const again = planMicroVmSnapshot({ ...observed, snapshot: { ...observed.snapshot, status: plan.status } });
    assert.deepEqual(again.events, []);
    if (actions.length === 0) assert.equal(again.status, plan.status);
  });
}

test('what it is of is told, so that machines can be checked against it', () => {
  const { status } = planMicroVmSnapshot(observe({ observed: { held: [held] } }));
  assert.deepEqual(
    [status?.readyToUse, status?.sizeBytes, status?.hosts, status?.image, status?.cpu, status?.memory],
    [true, 7, ['n1'], 'i', 1, 256],
  );
});

test('no object, no plan', () => {
  assert.deepEqual(planMicroVmSnapshot({ ...observe({}), snapshot: undefined }).actions, []);
});
