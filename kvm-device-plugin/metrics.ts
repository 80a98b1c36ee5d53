// What the plugin measures: permits and who holds them, the device, and its talks with the kubelet.
import type { Logger } from '@tvm/kit/log.ts';
import { Counter, Gauge, type Registry } from '@tvm/kit/metrics.ts';
import type { Health } from './device/probe.ts';
import type { Holder } from './kubelet/client.ts';
import type { Phase } from './kubelet/plan.ts';

export interface PluginMetrics {
  onRegistered: (result: 'ok' | 'failed') => void;
  onAllocated: (result: 'ok' | 'refused') => void;
}

export function makePluginMetrics(registers: Registry[]): PluginMetrics {
  const registrations = new Counter({
    name: 'tvm_kvm_registrations_total',
    help: 'Registrations with the kubelet, by result.',
    labelNames: ['result'],
    registers,
  });
  const allocations = new Counter({
    name: 'tvm_kvm_allocations_total',
    help: 'Allocations that the kubelet asked for, by result.',
    labelNames: ['result'],
    registers,
  });
  return {
    onRegistered: (result) => registrations.inc({ result }),
    onAllocated: (result) => allocations.inc({ result }),
  };
}

export interface Watched {
  device: string;
  permits: number;
  health: () => Health;
  phase: () => Phase;
  /** Who holds permits now, as the kubelet says. */
  holders: () => Promise<Holder[]>;
  log: Logger;
}

/** Gauges that are read when somebody looks. */
export function watchPlugin(registers: Registry[], { device, permits, health, phase, ...kubelet }: Watched): void {
  new Gauge({
    name: 'tvm_kvm_device_healthy',
    help: '1 when the device works.',
    labelNames: ['device'],
    registers,
    collect() {
      this.set({ device }, health().healthy ? 1 : 0);
    },
  });
  new Gauge({
    name: 'tvm_kvm_permits',
    help: 'Permits of this node.',
    registers,
    collect() {
      this.set(permits);
    },
  });
  new Gauge({
    name: 'tvm_kvm_permits_healthy',
    help: 'Permits that the kubelet may give.',
    registers,
    collect() {
      this.set(health().healthy ? permits : 0);
    },
  });
  new Gauge({
    name: 'tvm_kvm_registered',
    help: '1 while the kubelet watches this plugin.',
    registers,
    collect() {
      this.set(phase() === 'registered' ? 1 : 0);
    },
  });
  watchHolders(registers, kubelet);
}

/** While the kubelet does not answer, nothing is told of holders: a zero would be a lie. */
function watchHolders(registers: Registry[], { holders, log }: Pick<Watched, 'holders' | 'log'>): void {
  const now = shared(() =>
    holders().catch((err) => {
      log.debug({ err }, 'the kubelet does not say who holds permits');
      return undefined;
    }),
  );
  new Gauge({
    name: 'tvm_kvm_pod_resources_answered',
    help: '1 when the kubelet said who holds permits.',
    registers,
    async collect() {
      this.set((await now()) ? 1 : 0);
    },
  });
  new Gauge({
    name: 'tvm_kvm_permits_allocated',
    help: 'Permits that containers hold.',
    registers,
    async collect() {
      const found = await now();
      if (found) this.set(found.reduce((sum, { permits }) => sum + permits, 0));
      else this.remove();
    },
  });
  new Gauge({
    name: 'tvm_kvm_permits_held',
    help: 'Permits by the container that holds them.',
    labelNames: ['namespace', 'pod', 'container'],
    registers,
    async collect() {
      const found = await now();
      this.reset();
      for (const { permits, ...labels } of found ?? []) this.set(labels, permits);
    },
  });
}

/** Callers at the same time share one call. */
function shared<T>(call: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | undefined;
  return () => {
    running ??= call().finally(() => {
      running = undefined;
    });
    return running;
  };
}
