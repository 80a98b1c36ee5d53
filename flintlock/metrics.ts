// What flintlock measures of its node. Invariant: a start counts once, however many changes tell of it.
import { Counter, Gauge, Histogram, type Registry } from '@tvm/kit/metrics.ts';
import { type NodeLimits, promisedMiB } from './machines/admission.ts';
import type { Machines } from './machines/machines.ts';
import { type MachineRecord, machineStates } from './machines/record.ts';

const secondsBuckets = [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const bytesPerMiB = 1024 * 1024;

/** Measures until the signal aborts. */
export async function measure(
  registry: Registry,
  { machines, limits }: { machines: Machines; limits: NodeLimits },
  signal: AbortSignal,
): Promise<void> {
  const registers = [registry];
  showMachines(registers, machines, limits);
  const starts = new Counter({
    name: 'tvm_node_machine_starts_total',
    help: 'Starts of machines by kind (restored: from a snapshot or template; booted) and result.',
    labelNames: ['kind', 'result'],
    registers,
  });
  const duration = new Histogram({
    name: 'tvm_node_machine_start_seconds',
    help: 'From the start of the VMM to the first answer of the guest, by kind of start.',
    labelNames: ['kind'],
    buckets: secondsBuckets,
    registers,
  });
  const seen = new Map<string, MachineRecord>();
  let isNew = false;
  for await (const { kind, record } of machines.watch(signal)) {
    // What was there before was measured by another process.
    if (kind === 'synced') isNew = true;
    else if (kind === 'removed') seen.delete(record.uid);
    else {
      const result = isNew ? startEndedIn(seen.get(record.uid), record) : undefined;
      const labels = { kind: record.restored ? 'restored' : 'booted' };
      if (result) starts.inc({ ...labels, result });
      if (result === 'up') duration.observe(labels, record.bootMs / 1000);
      seen.set(record.uid, record);
    }
  }
}

/** How the start of a machine ended, when it did between these. */
function startEndedIn(before: MachineRecord | undefined, { state, startedAtMs }: MachineRecord) {
  const isUp = state === 'running' || state === 'paused';
  if (isUp && startedAtMs !== (before?.startedAtMs ?? 0)) return 'up';
  return state === 'failed' && before?.state === 'creating' ? 'failed' : undefined;
}

function showMachines(registers: Registry[], machines: Machines, limits: NodeLimits): void {
  new Gauge({
    name: 'tvm_node_machines',
    help: 'Machines of this node by state.',
    labelNames: ['state'],
    registers,
    collect() {
      const records = machines.list();
      for (const state of machineStates) this.set({ state }, records.filter((each) => each.state === state).length);
    },
  });
  new Gauge({
    name: 'tvm_node_machine_memory_bytes',
    help: 'Memory of machines: promised to those that are up, and the limit of what may be.',
    labelNames: ['kind'],
    registers,
    collect() {
      this.set({ kind: 'promised' }, promisedMiB(machines.list()) * bytesPerMiB);
      this.set({ kind: 'limit' }, limits.memoryMiB * bytesPerMiB);
    },
  });
}
