// The health of one device, now and as it changes, in both directions.
// Invariant: its folder is watched before the device is looked at, so that no change falls between.
import { basename, dirname } from 'node:path';
import type { Clock } from '@tvm/kit/clock.ts';
import type { Logger } from '@tvm/kit/log.ts';
import { Alarm } from '../alarm.ts';
import { FolderWatch } from '../folder-watch.ts';
import type { Health } from './probe.ts';

export interface DeviceWatchDeps {
  /** Where this process sees the device. */
  path: string;
  probe: () => Promise<Health>;
  clock: Clock;
  log: Logger;
  /** How often the device is opened again when nothing was told: it may fail without a change of its node. */
  probeEveryMs?: number;
}

export class DeviceWatch {
  readonly #deps: DeviceWatchDeps;
  readonly #alarm: Alarm;
  readonly #subscribers = new Set<Alarm>();
  #health: Health | undefined;

  constructor(deps: DeviceWatchDeps) {
    this.#deps = deps;
    this.#alarm = new Alarm(deps.clock);
  }

  /** What the last look found; before the first look the device counts as absent. */
  get health(): Health {
    return this.#health ?? { healthy: false, reason: 'not looked at yet' };
  }

  /** Looks now, and tells everyone. */
  async check(): Promise<Health> {
    const before = this.#health;
    const health = await this.#deps.probe();
    this.#health = health;
    if (describe(health) === describe(before)) return health;
    const { path, log } = this.#deps;
    if (health.healthy) log.info({ device: path }, 'the device works');
    else log.warn({ device: path, reason: health.reason }, 'the device cannot be used: its permits are unhealthy');
    for (const subscriber of this.#subscribers) subscriber.ring();
    return health;
  }

  /** The health now, then after each change the newest; ends when `signal` aborts. */
  async *changes(signal: AbortSignal): AsyncGenerator<Health> {
    const alarm = new Alarm(this.#deps.clock);
    this.#subscribers.add(alarm);
    try {
      if (!this.#health) await this.check();
      for (let told: boolean | undefined; !signal.aborted; ) {
        const { health } = this;
        if (health.healthy !== told) yield health;
        told = health.healthy;
        await alarm.wait(this.#deps.probeEveryMs ?? 10_000, signal);
      }
    } finally {
      this.#subscribers.delete(alarm);
    }
  }

  /** Keeps looking until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { path, probeEveryMs = 10_000 } = this.#deps;
    const name = basename(path);
    using watch = new FolderWatch(dirname(path), (changed) => {
      if (changed === null || changed === name) this.#alarm.ring();
    });
    while (!signal.aborted) {
      const watching = watch.ensure();
      await this.check();
      await this.#alarm.wait(watching ? probeEveryMs : Math.min(probeEveryMs, 1000), signal);
    }
  }
}

function describe(health: Health | undefined): string {
  return health ? (health.healthy ? 'healthy' : health.reason) : '';
}
