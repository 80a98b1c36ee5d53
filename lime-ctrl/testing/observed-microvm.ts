// MicroVMs as the planner sees them, from what differs from an ordinary one; and tables of what is planned.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { apiVersion } from '@tvm/api/kinds/meta.ts';
import { type MicroVm, type MicroVmSpec, type MicroVmStatus, machineFinalizer } from '@tvm/api/kinds/microvm.ts';
import { planMicroVm } from '../microvm/plan.ts';
import type { Observed, ObservedMachine } from '../microvm/world.ts';

export const nowMs = Date.UTC(2030, 0, 1, 12);
export const at = (ms: number) => new Date(ms).toISOString();

export interface Given {
  spec?: Partial<MicroVmSpec>;
  status?: MicroVmStatus;
  metadata?: Partial<MicroVm['metadata']>;
  machine?: Partial<ObservedMachine>;
  observed?: Partial<Observed>;
}

export const node = {
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

export function observe({ spec, status, metadata, machine, observed }: Given): Observed {
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

export interface Row {
  name: string;
  given: Given;
  /** Types of the actions. */
  actions: string[];
  phase: string;
  reason: string;
}

/** A test a row; and that planning again from the status it gave changes nothing and says nothing. */
export function testPlans(rows: Row[]): void {
  for (const { name, given, actions, phase, reason } of rows) {
    test(`plan: ${name}`, () => {
      const observed = observe(given);
      const plan = planMicroVm(observed);
      assert.deepEqual(
        plan.actions.map(({ type }) => type),
        actions,
      );
      assert.deepEqual([plan.status?.phase, plan.status?.reason], [phase, reason]);
      if (!observed.vm || !plan.status || plan.actions.length > 0) return;
      const second = planMicroVm({ ...observed, vm: { ...observed.vm, status: plan.status } });
      assert.equal(second.status, plan.status);
      assert.deepEqual(second.events, []);
    });
  }
}
