// The device plugin: wiring alone.
import { join } from 'node:path';
import { systemClock } from '@tvm/kit/clock.ts';
import { serveHealth } from '@tvm/kit/health.ts';
import { makeLogger } from '@tvm/kit/log.ts';
import { makeRegistry, serveMetrics } from '@tvm/kit/metrics.ts';
import { notifyReady, runMain, settingsFrom } from '@tvm/kit/run-main.ts';
import { readConfig } from './config.ts';
import { DeviceWatch } from './device/device-watch.ts';
import { devicesForContainer } from './device/devices.ts';
import { probeDevice } from './device/probe.ts';
import { kubeletPaths, listHolders } from './kubelet/client.ts';
import { describePhase, isReady } from './kubelet/phase.ts';
import { Registrar } from './kubelet/registrar.ts';
import { makePluginMetrics, watchPlugin } from './metrics.ts';
import { permitIds } from './permits.ts';
import { makePluginCalls } from './plugin-calls.ts';

const config = await settingsFrom(readConfig);
const log = makeLogger('kvm-device-plugin', config.logLevel);

await runMain(log, async (signal) => {
  const clock = systemClock;
  const registry = makeRegistry();
  const paths = kubeletPaths(config.kubeletFolder);
  const path = join(config.hostRoot, config.device);
  const device = new DeviceWatch({ path, probe: () => probeDevice(path), clock, log });
  const { onAllocated, onRegistered } = makePluginMetrics([registry]);
  const calls = makePluginCalls({
    permits: permitIds(config.permits),
    device,
    devicesForContainer: () => devicesForContainer(config),
    onAllocated,
  });
  const registrar = new Registrar({ kubeletFolder: config.kubeletFolder, calls, clock, log, onRegistered });
  watchPlugin([registry], {
    device: config.device,
    permits: config.permits,
    health: () => device.health,
    phase: () => registrar.phase,
    holders: () => listHolders(paths.podResources),
    log,
  });

  await using metrics = await serveMetrics(registry, config.metricsListen);
  await using health = await serveHealth(
    { kubelet: () => (isReady(registrar.phase) ? undefined : describePhase(registrar.phase, paths.folder)) },
    config.healthListen,
    { device: () => (device.health.healthy ? undefined : device.health.reason) },
  );
  notifyReady({ metrics: metrics.url, health: health.url });
  await Promise.all([device.run(signal), registrar.run(signal)]);
});
