import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeRegistry } from '@tvm/kit/metrics.ts';
import type { MachineChange } from './machines/change-feed.ts';
import type { Machines } from './machines/machines.ts';
import { type MachineRecord, newRecord } from './machines/record.ts';
import { measure } from './metrics.ts';

const spec = {
  ...{ image: 'i', cpus: 1, memoryMiB: 64, command: [], args: [], hostname: '', snapshot: '', interpreter: '' },
  ...{ standby: false, template: false },
};
const record = (uid: string, given: Partial<MachineRecord>): MachineRecord => ({
  ...newRecord({ uid, generation: 1, labels: {}, spec } as Parameters<typeof newRecord>[0], 1),
  ...given,
});

test('machines by state, memory, and each start once', async () => {
  const up = { state: 'running', startedAtMs: 5, bootMs: 700 } as const;
  const all = [record('a', up), record('b', { state: 'stopped' })];
  const changes: MachineChange[] = [
    { kind: 'changed', record: record('a', up) },
    { kind: 'synced', record: undefined },
    { kind: 'changed', record: record('a', { ...up, openCalls: 1 }) },
    { kind: 'changed', record: record('c', {}) },
    { kind: 'changed', record: record('c', { ...up, bootId: 'x', state: 'paused', restored: true, bootMs: 40 }) },
    { kind: 'changed', record: record('c', { ...up, bootId: 'x', restored: true }) },
    { kind: 'changed', record: record('d', {}) },
    { kind: 'changed', record: record('d', { state: 'failed' }) },
    { kind: 'removed', record: record('d', { state: 'failed' }) },
  ];
  const machines = {
    list: () => all,
    async *watch() {
      yield* changes;
    },
  } as unknown as Machines;
  const registry = makeRegistry();
  const limits = { cpus: 1, memoryMiB: 128, machines: 10 };
  await measure(registry, { machines, limits }, new AbortController().signal);
  const text = await registry.metrics();
  for (const line of [
    'tvm_node_machines{state="running"} 1',
    'tvm_node_machines{state="stopped"} 1',
    'tvm_node_machine_memory_bytes{kind="promised"} 67108864',
    'tvm_node_machine_memory_bytes{kind="limit"} 134217728',
    'tvm_node_machine_starts_total{kind="restored",result="up"} 1',
    'tvm_node_machine_starts_total{kind="booted",result="failed"} 1',
    'tvm_node_machine_start_seconds_count{kind="restored"} 1',
  ]) {
    assert.ok(text.split('\n').includes(line), line);
  }
});
