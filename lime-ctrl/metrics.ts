// What lime-ctrl measures of itself.
import type { ControllerDeps, ReconcileOutcome } from '@tvm/kit/controller/controller.ts';
import type { WorkQueue } from '@tvm/kit/controller/work-queue.ts';
import { Gauge, Histogram, type Registry } from '@tvm/kit/metrics.ts';
import type { Admission } from './engine/admission.ts';
import type { EngineDeps } from './engine/engine.ts';
import type { Pool } from './engine/pool.ts';
import type { Fleet, NodeView } from './flintlock/fleet.ts';
import type { Demand } from './placement/place.ts';

const secondsBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

export interface LimeMetrics {
  onReconciled: NonNullable<ControllerDeps['onReconciled']>;
  onQueue: (name: string, queue: WorkQueue) => void;
  onExecuted: NonNullable<EngineDeps['onExecuted']>;
}

export function makeLimeMetrics(registers: Registry[]): LimeMetrics {
  const reconciles = new Histogram({
    name: 'tvm_reconcile_duration_seconds',
    help: 'Reconciles by controller and outcome.',
    labelNames: ['controller', 'outcome'],
    buckets: secondsBuckets,
    registers,
  });
  const executions = new Histogram({
    name: 'tvm_execute_duration_seconds',
    help: 'Executions by result and start (warm: a waiting machine; restored, booted: one was made; none: refused before).',
    labelNames: ['result', 'start'],
    buckets: secondsBuckets,
    registers,
  });
  const queues = new Map<string, WorkQueue>();
  new Gauge({
    name: 'tvm_queue_depth',
    help: 'Keys that wait for a reconcile.',
    labelNames: ['controller'],
    registers,
    collect() {
      for (const [controller, queue] of queues) this.set({ controller }, queue.depth);
    },
  });
  return {
    onReconciled: (controller: string, outcome: ReconcileOutcome, ms) =>
      reconciles.observe({ controller, outcome }, ms / 1000),
    onQueue: (name, queue) => queues.set(name, queue),
    onExecuted: (result, start, ms) => executions.observe({ result, start }, ms / 1000),
  };
}

/** Gauges that are read when somebody looks. */
export function watchEngine(registers: Registry[], pool: Pool, admission: Admission): void {
  new Gauge({
    name: 'tvm_pool_machines',
    help: 'Machines of the pools by state.',
    labelNames: ['image', 'cpu', 'memory', 'interpreter', 'state'],
    registers,
    collect() {
      this.reset();
      for (const { waiting, making, wanted, ...shape } of pool.view()) {
        this.set({ ...shape, state: 'waiting' }, waiting);
        this.set({ ...shape, state: 'making' }, making);
        this.set({ ...shape, state: 'wanted' }, wanted);
      }
    },
  });
  new Gauge({
    name: 'tvm_executions',
    help: 'Executions now, by state.',
    labelNames: ['state'],
    registers,
    collect() {
      this.set({ state: 'running' }, admission.running);
      this.set({ state: 'queued' }, admission.queued);
    },
  });
}

const bytesPerMB = 1024 * 1024;

/** What an autoscaler of flintlocks would go by, and who looks after the nodes. */
export function watchFleet(registers: Registry[], fleet: Fleet, pending: () => Demand[]): void {
  new Gauge({
    name: 'tvm_nodes',
    help: 'Flintlocks by state.',
    labelNames: ['state'],
    registers,
    collect() {
      for (const state of nodeStates) this.set({ state }, 0);
      for (const node of fleet.nodes()) this.inc({ state: stateOf(node) });
    },
  });
  new Gauge({
    name: 'tvm_nodes_memory_bytes',
    help: 'Memory for machines on the nodes that answer: in all, and not promised to one.',
    labelNames: ['kind'],
    registers,
    collect() {
      const there = fleet.nodes().filter(({ reachable }) => reachable);
      const sum = (of: (node: NodeView) => number) => there.reduce((total, node) => total + of(node), 0) * bytesPerMB;
      this.set(
        { kind: 'total' },
        sum(({ info }) => Number(info?.memoryMib ?? 0n)),
      );
      this.set(
        { kind: 'free' },
        sum(({ name }) => fleet.memoryFreeMiB(name)),
      );
    },
  });
  new Gauge({
    name: 'tvm_pending_machines',
    help: 'Machines that wait for room.',
    registers,
    collect() {
      this.set(pending().length);
    },
  });
  new Gauge({
    name: 'tvm_pending_memory_bytes',
    help: 'Memory of the machines that wait for room.',
    registers,
    collect() {
      this.set(pending().reduce((total, { memory }) => total + memory, 0) * bytesPerMB);
    },
  });
}

const nodeStates = ['ready', 'cordoned', 'draining', 'unreachable'] as const;

function stateOf({ reachable, draining, cordoned }: NodeView): (typeof nodeStates)[number] {
  if (!reachable) return 'unreachable';
  if (draining) return 'draining';
  return cordoned ? 'cordoned' : 'ready';
}
