import assert from 'node:assert/strict';
import { test } from 'node:test';
import { apiVersion } from '@tvm/api/kinds/meta.ts';
import { type MicroVm, type MicroVmSpec, type MicroVmStatus, machineFinalizer } from '@tvm/api/kinds/microvm.ts';
import { nodeGoneGraceMs, planMicroVm } from './plan.ts';
import type { Observed, ObservedMachine } from './world.ts';

const nowMs = Date.UTC(2030, 0, 1, 12);
const at = (ms: number) => new Date(ms).toISOString();

interface Given {
  spec?: Partial<MicroVmSpec>;
  status?: MicroVmStatus;
  metadata?: Partial<MicroVm['metadata']>;
  machine?: Partial<ObservedMachine>;
  observed?: Partial<Observed>;
}

const node = {
  name: 'n1',
  reachable: true,
  sinceMs: 0,
  cordoned: false,
  draining: false,
  cpus: 4,
  memoryMiB: 4096,
  memoryFreeMiB: 2048,
  machines: 0,
  machinesAlike: 0,
  machineLimit: 10,
  images: [],
  templates: [],
};

function observe({ spec, status, metadata, machine, observed }: Given): Observed {
  const vm: MicroVm = {
    apiVersion,
    kind: 'MicroVM',
    metadata: {
      name: 'demo',
      namespace: 'default',
      uid: 'u',
      generation: 1,
      creationTimestamp: at(nowMs - 1000),
      finalizers: [machineFinalizer],
      ...metadata,
    },
    spec: { image: 'i', cpu: 1, memory: 256, desiredState: 'Running', ...spec },
    ...(status && { status }),
  };
  const full: ObservedMachine | undefined = machine && {
    uid: 'u',
    node: 'n1',
    generation: 1,
    state: 'Running',
    reason: '',
    message: '',
    bootMs: 5,
    restored: false,
    imageDigest: 'sha256:1',
    address: '',
    startedAtMs: nowMs - 1000,
    lastActiveAtMs: 0,
    openCalls: 0,
    exitCode: undefined,
    ...machine,
  };
  return {
    vm,
    machine: full,
    strays: [],
    nodes: [node],
    from: { type: 'image' },
    missingSecrets: [],
    failures: { count: 0, atMs: 0 },
    nowMs,
    ...observed,
  };
}

const idle = { startedAtMs: nowMs - 100_000, lastActiveAtMs: nowMs - 60_000 };
const away = { ...node, reachable: false, sinceMs: nowMs - 1000 };
const longGone = { ...node, reachable: false, sinceMs: nowMs - nodeGoneGraceMs };
const draining = { ...node, draining: true };
const other = { ...node, name: 'n2' };
const was: MicroVmStatus = { phase: 'Running', reason: 'Running', host: 'n1', startedAt: at(nowMs - 1000) };
const deleted = { deletionTimestamp: at(nowMs - nodeGoneGraceMs) };

const rows: { name: string; given: Given; actions: string[]; phase: string; reason: string }[] = [
  {
    name: 'new',
    given: { metadata: { finalizers: [] } },
    actions: ['addFinalizer', 'assignHost', 'createMachine'],
    phase: 'Creating',
    reason: 'Creating',
  },
  {
    name: 'assigned, crashed before the machine was made',
    given: { status: { host: 'n1' } },
    actions: ['createMachine'],
    phase: 'Creating',
    reason: 'Creating',
  },
  { name: 'no node at all', given: { observed: { nodes: [] } }, actions: [], phase: 'Pending', reason: 'NoNode' },
  { name: 'no node answers', given: { observed: { nodes: [away] } }, actions: [], phase: 'Pending', reason: 'NoNode' },
  { name: 'no room', given: { spec: { memory: 3000 } }, actions: [], phase: 'Pending', reason: 'NoRoom' },
  {
    name: 'larger than any node',
    given: { spec: { memory: 5000 } },
    actions: [],
    phase: 'Pending',
    reason: 'TooLarge',
  },
  { name: 'more CPUs than any node', given: { spec: { cpu: 8 } }, actions: [], phase: 'Pending', reason: 'TooLarge' },
  {
    name: 'missing Secret',
    given: { observed: { missingSecrets: ['s'] } },
    actions: [],
    phase: 'Pending',
    reason: 'SecretNotFound',
  },
  {
    name: 'wanted stopped, never started',
    given: { spec: { desiredState: 'Stopped' } },
    actions: [],
    phase: 'Stopped',
    reason: 'Requested',
  },
  { name: 'creating', given: { machine: { state: 'Creating' } }, actions: [], phase: 'Creating', reason: 'Creating' },
  { name: 'running', given: { machine: {} }, actions: [], phase: 'Running', reason: 'Running' },
  {
    name: 'to pause',
    given: { machine: {}, spec: { desiredState: 'Paused' } },
    actions: ['pauseMachine'],
    phase: 'Running',
    reason: 'Running',
  },
  {
    name: 'to resume',
    given: { machine: { state: 'Paused' } },
    actions: ['resumeMachine'],
    phase: 'Paused',
    reason: 'Paused',
  },
  {
    name: 'to stop',
    given: { machine: {}, spec: { desiredState: 'Stopped' } },
    actions: ['stopMachine'],
    phase: 'Running',
    reason: 'Running',
  },
  {
    name: 'stopped as asked',
    given: { machine: { state: 'Stopped', reason: 'Requested' }, spec: { desiredState: 'Stopped' } },
    actions: [],
    phase: 'Stopped',
    reason: 'Requested',
  },
  {
    name: 'to start again',
    given: { machine: { state: 'Stopped', reason: 'Requested' } },
    actions: ['startMachine'],
    phase: 'Creating',
    reason: 'Starting',
  },
  {
    name: 'command ended',
    given: { machine: { state: 'Stopped', reason: 'CommandExited', exitCode: 1 } },
    actions: [],
    phase: 'Stopped',
    reason: 'CommandExited',
  },
  {
    name: 'died just now',
    given: { machine: { state: 'Failed', reason: 'VmmExited' }, observed: { failures: { count: 1, atMs: nowMs } } },
    actions: [],
    phase: 'Failed',
    reason: 'VmmExited',
  },
  {
    name: 'died a while ago',
    given: {
      machine: { state: 'Failed', reason: 'VmmExited' },
      observed: { failures: { count: 1, atMs: nowMs - 2000 } },
    },
    actions: ['startMachine'],
    phase: 'Creating',
    reason: 'Starting',
  },
  {
    name: 'died again and again',
    given: {
      machine: { state: 'Failed', reason: 'VmmExited' },
      observed: { failures: { count: 9, atMs: nowMs - 200_000 } },
    },
    actions: [],
    phase: 'Failed',
    reason: 'VmmExited',
  },
  {
    name: 'node away',
    given: { status: { host: 'n1', phase: 'Running' }, observed: { nodes: [away] } },
    actions: [],
    phase: 'Running',
    reason: 'NodeUnreachable',
  },
  {
    name: 'its snapshot is not there',
    given: {
      spec: { snapshot: 's' },
      observed: { from: { type: 'blocked', reason: 'SnapshotNotFound', message: 'there is none' } },
    },
    actions: [],
    phase: 'Pending',
    reason: 'SnapshotNotFound',
  },
  {
    name: 'its snapshot is on the node',
    given: {
      spec: { snapshot: 's' },
      observed: { from: { type: 'snapshot', nameOnNode: 'x', hosts: ['n1'] }, nodes: [{ ...node, name: 'n0' }, node] },
    },
    actions: ['assignHost', 'createMachine'],
    phase: 'Creating',
    reason: 'Creating',
  },
  {
    name: 'its snapshot is on a node that does not answer',
    given: {
      spec: { snapshot: 's' },
      observed: { from: { type: 'snapshot', nameOnNode: 'x', hosts: ['n2'] }, nodes: [node, { ...away, name: 'n2' }] },
    },
    actions: [],
    phase: 'Pending',
    reason: 'NoNode',
  },
  {
    name: 'running, used a while ago, not idle yet',
    given: { spec: { idleTimeoutSeconds: 60 }, machine: { ...idle, lastActiveAtMs: nowMs - 59_999 } },
    actions: [],
    phase: 'Running',
    reason: 'Running',
  },
  {
    name: 'running, in use since long ago',
    given: { spec: { idleTimeoutSeconds: 60 }, machine: { ...idle, openCalls: 1 } },
    actions: [],
    phase: 'Running',
    reason: 'Running',
  },
  {
    name: 'running, idle: to pause',
    given: { spec: { idleTimeoutSeconds: 60 }, machine: idle },
    actions: ['pauseMachine'],
    phase: 'Running',
    reason: 'Running',
  },
  {
    name: 'paused, idle',
    given: { spec: { idleTimeoutSeconds: 60, onIdle: 'Pause' }, machine: { ...idle, state: 'Paused' } },
    actions: [],
    phase: 'Paused',
    reason: 'Idle',
  },
  {
    name: 'paused, used again',
    given: {
      spec: { idleTimeoutSeconds: 60 },
      status: { phase: 'Paused', reason: 'Idle' },
      machine: { ...idle, state: 'Paused', lastActiveAtMs: nowMs },
    },
    actions: ['resumeMachine'],
    phase: 'Paused',
    reason: 'Paused',
  },
  {
    name: 'paused by its owner, with an idle policy',
    given: { spec: { idleTimeoutSeconds: 60, desiredState: 'Paused' }, machine: { ...idle, state: 'Paused' } },
    actions: [],
    phase: 'Paused',
    reason: 'Paused',
  },
  {
    name: 'idle: to stop',
    given: { spec: { idleTimeoutSeconds: 60, onIdle: 'Stop' }, machine: idle },
    actions: ['declareStopped'],
    phase: 'Running',
    reason: 'Idle',
  },
  {
    name: 'stopped for idleness',
    given: {
      spec: { idleTimeoutSeconds: 60, onIdle: 'Stop', desiredState: 'Stopped' },
      status: { phase: 'Running', reason: 'Idle', message: 'not used' },
      machine: { ...idle, state: 'Stopped', reason: 'Requested' },
    },
    actions: [],
    phase: 'Stopped',
    reason: 'Idle',
  },
  {
    name: 'idle: to delete',
    given: { spec: { idleTimeoutSeconds: 60, onIdle: 'Delete' }, machine: idle },
    actions: ['deleteObject'],
    phase: 'Terminating',
    reason: 'Idle',
  },
  {
    name: 'ttl over',
    given: { spec: { ttlSeconds: 1 }, machine: {} },
    actions: ['deleteObject'],
    phase: 'Terminating',
    reason: 'Expired',
  },
  {
    name: 'deleted, has a machine',
    given: { metadata: deleted, machine: {} },
    actions: ['destroyMachine'],
    phase: 'Terminating',
    reason: 'Deleted',
  },
  {
    name: 'deleted, machine gone',
    given: { metadata: deleted, status: { host: 'n1' } },
    actions: ['removeFinalizer'],
    phase: 'Terminating',
    reason: 'Deleted',
  },
  {
    name: 'deleted, never placed',
    given: { metadata: deleted, observed: { nodes: [away] } },
    actions: ['removeFinalizer'],
    phase: 'Terminating',
    reason: 'Deleted',
  },
  {
    name: 'deleted, node away for now',
    given: { metadata: deleted, status: { host: 'n1' }, observed: { nodes: [away] } },
    actions: [],
    phase: 'Terminating',
    reason: 'NodeUnreachable',
  },
  {
    name: 'deleted, node gone for good',
    given: { metadata: deleted, status: { host: 'n1' }, observed: { nodes: [longGone] } },
    actions: ['removeFinalizer'],
    phase: 'Terminating',
    reason: 'NodeGone',
  },
  {
    name: 'deleted, node has ended',
    given: { metadata: { deletionTimestamp: at(nowMs) }, status: { host: 'other' } },
    actions: ['removeFinalizer'],
    phase: 'Terminating',
    reason: 'NodeGone',
  },
  {
    name: 'running on a node that is about to end',
    given: { machine: {}, observed: { nodes: [draining, other] } },
    actions: ['stopMachine', 'destroyMachine'],
    phase: 'Pending',
    reason: 'NodeDrained',
  },
  {
    name: 'paused on a node that is about to end',
    given: { spec: { desiredState: 'Paused' }, machine: { state: 'Paused' }, observed: { nodes: [draining, other] } },
    actions: ['destroyMachine'],
    phase: 'Pending',
    reason: 'NodeDrained',
  },
  {
    name: 'its command has ended, its node is about to',
    given: { machine: { state: 'Stopped', reason: 'CommandExited' }, observed: { nodes: [draining, other] } },
    actions: [],
    phase: 'Stopped',
    reason: 'CommandExited',
  },
  {
    name: 'drained, another node has room',
    given: { status: { ...was, reason: 'NodeDrained', phase: 'Pending' }, observed: { nodes: [draining, other] } },
    actions: ['assignHost', 'createMachine'],
    phase: 'Creating',
    reason: 'Creating',
  },
  {
    name: 'drained, and no other node',
    given: { status: { ...was, reason: 'NodeDrained', phase: 'Pending' }, observed: { nodes: [draining] } },
    actions: [],
    phase: 'Pending',
    reason: 'NodeDrained',
  },
  {
    name: 'running on a cordoned node: it goes on',
    given: { machine: {}, observed: { nodes: [{ ...node, cordoned: true }, other] } },
    actions: [],
    phase: 'Running',
    reason: 'Running',
  },
  {
    name: 'its node has ended, another has room',
    given: { status: was, observed: { nodes: [other] } },
    actions: ['assignHost', 'createMachine'],
    phase: 'Creating',
    reason: 'Creating',
  },
  {
    name: 'its node has ended, and there is no other',
    given: { status: was, observed: { nodes: [] } },
    actions: [],
    phase: 'Pending',
    reason: 'NodeGone',
  },
  {
    name: 'its command had ended before its node did',
    given: { status: { ...was, phase: 'Stopped', reason: 'CommandExited' }, observed: { nodes: [other] } },
    actions: [],
    phase: 'Stopped',
    reason: 'CommandExited',
  },
  {
    name: 'to be stopped, its node has ended',
    given: { spec: { desiredState: 'Stopped' }, status: was, observed: { nodes: [other] } },
    actions: [],
    phase: 'Stopped',
    reason: 'Requested',
  },
  {
    name: 'from a snapshot, on a node that has ended',
    given: {
      status: was,
      observed: { nodes: [other], from: { type: 'snapshot', nameOnNode: 'x', hosts: ['n1'] } },
    },
    actions: [],
    phase: 'Pending',
    reason: 'NodeGone',
  },
];

for (const { name, given, actions, phase, reason } of rows) {
  test(`plan: ${name}`, () => {
    const plan = planMicroVm(observe(given));
    assert.deepEqual(
      plan.actions.map(({ type }) => type),
      actions,
    );
    assert.deepEqual([plan.status?.phase, plan.status?.reason], [phase, reason]);
  });
}

test('planning again from the status it gave changes nothing and says nothing', () => {
  for (const { given } of rows) {
    const observed = observe(given);
    const first = planMicroVm(observed);
    if (!observed.vm || !first.status || first.actions.length > 0) continue;
    const second = planMicroVm({ ...observed, vm: { ...observed.vm, status: first.status } });
    assert.equal(second.status, first.status);
    assert.deepEqual(second.events, []);
  }
});

test('what became of the machine is told once, with what it waits for', () => {
  const lost = planMicroVm(observe({ status: was, observed: { nodes: [] } }));
  assert.match(lost.status?.message ?? '', /node n1 has ended.*no place for it yet: there is no node/);
  assert.deepEqual(
    lost.events.map(({ reason }) => reason),
    ['NodeGone'],
  );
  const placed = planMicroVm(observe({ status: lost.status ?? {}, observed: { nodes: [other] } }));
  assert.deepEqual(
    placed.events.map(({ reason }) => reason),
    ['Scheduled', 'Creating'],
  );
  const direct = planMicroVm(observe({ status: was, observed: { nodes: [other] } }));
  assert.deepEqual(
    direct.events.map(({ reason }) => reason),
    ['NodeGone', 'Scheduled', 'Creating'],
  );
  const drained = planMicroVm(observe({ machine: {}, status: was, observed: { nodes: [draining, other] } }));
  assert.deepEqual(
    drained.events.map(({ reason }) => reason),
    ['NodeDrained'],
  );
});

test('strays are destroyed, with an object and without', () => {
  const stray = { ...(observe({ machine: {} }).machine as ObservedMachine), uid: 'old' };
  for (const observed of [observe({ machine: {} }), { ...observe({}), vm: undefined }]) {
    assert.deepEqual(planMicroVm({ ...observed, strays: [stray] }).actions[0], {
      type: 'destroyMachine',
      node: 'n1',
      uid: 'old',
    });
  }
});
