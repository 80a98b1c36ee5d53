// How the plan deals with the end of a MicroVM, and with that of its node.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MicroVmStatus } from '@tvm/api/kinds/microvm.ts';
import { at, node, nowMs, observe, testPlans } from '../testing/observed-microvm.ts';
import { nodeGoneGraceMs, planMicroVm } from './plan.ts';

const away = { ...node, reachable: false, sinceMs: nowMs - 1000 };
const longGone = { ...node, reachable: false, sinceMs: nowMs - nodeGoneGraceMs };
const draining = { ...node, draining: true };
const other = { ...node, name: 'n2' };
const was: MicroVmStatus = { phase: 'Running', reason: 'Running', host: 'n1', startedAt: at(nowMs - 1000) };
const deleted = { deletionTimestamp: at(nowMs - nodeGoneGraceMs) };

testPlans([
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
]);

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
