import assert from 'node:assert/strict';
import { test } from 'node:test';
import { node, nowMs, observe, testPlans } from '../testing/observed-microvm.ts';
import { planMicroVm } from './plan.ts';
import type { ObservedMachine } from './world.ts';

const idle = { startedAtMs: nowMs - 100_000, lastActiveAtMs: nowMs - 60_000 };
const away = { ...node, reachable: false, sinceMs: nowMs - 1000 };

testPlans([
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
]);

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
