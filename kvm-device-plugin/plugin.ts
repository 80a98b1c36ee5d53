// The whole plugin, from its settings to what it serves. Closing it withdraws it from the kubelet.
import { join } from 'node:path';
import type { Clock } from '@tvm/kit/clock.ts';
import { serveHealth } from '@tvm/kit/health.ts';
import type { Logger } from '@tvm/kit/log.ts';
import { makeRegistry, serveMetrics } from '@tvm/kit/metrics.ts';
import type { Config } from './config.ts';
import { DeviceWatch } from './device/device-watch.ts';
import { devicesForContainer } from './device/devices.ts';
import { probeDevice } from './device/probe.ts';
import { kubeletPaths, listHolders } from './kubelet/client.ts';
import { describePhase, isReady } from './kubelet/phase.ts';
import { Registrar } from './kubelet/registrar.ts';
import { makePluginMetrics, watchPlugin } from './metrics.ts';
import { permitIds } from './permits.ts';
import { makePluginCalls } from './plugin-calls.ts';

export interface Plugin extends AsyncDisposable {
  metricsUrl: string;
  healthUrl: string;
  /** Rejects when it cannot go on; resolves once it is closed. */
  running: Promise<unknown>;
}

export interface PluginDeps {
  config: Config;
  clock: Clock;
  log: Logger;
}

/** Resolves when metrics and health are served; the kubelet need not be there. */
export async function openPlugin({ config, clock, log }: PluginDeps): Promise<Plugin> {
  const { kubeletFolder, permits } = config;
  const registry = makeRegistry();
  const paths = kubeletPaths(kubeletFolder);
  const path = join(config.hostRoot, config.device);
  const device = new DeviceWatch({ path, probe: () => probeDevice(path), clock, log });
  const { onAllocated, onRegistered } = makePluginMetrics([registry]);
  const calls = makePluginCalls({
    permits: permitIds(permits),
    device,
    devicesForContainer: () => devicesForContainer(config),
    onAllocated,
  });
  const registrar = new Registrar({ kubeletFolder, calls, clock, log, onRegistered });
  watchPlugin([registry], {
    device: config.device,
    permits,
    health: () => device.health,
    phase: () => registrar.phase,
    holders: () => listHolders(paths.podResources),
    log,
  });

  await using started = new AsyncDisposableStack();
  const metrics = started.use(await serveMetrics(registry, config.metricsListen));
  const checks = {
    kubelet: () => (isReady(registrar.phase) ? undefined : describePhase(registrar.phase, paths.folder)),
  };
  const notes = { device: () => (device.health.healthy ? undefined : device.health.reason) };
  const health = started.use(await serveHealth(checks, config.healthListen, notes));
  const stop = new AbortController();
  const running = Promise.all([device.run(stop.signal), registrar.run(stop.signal)]);
  started.defer(async () => {
    stop.abort();
    await running;
  });
  const stack = started.move();
  return { metricsUrl: metrics.url, healthUrl: health.url, running, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}
