// The flintlock daemon: wiring alone.
import { makeImageStore } from '@tvm/images/store.ts';
import { serveHealth } from '@tvm/kit/health.ts';
import { makeLogger } from '@tvm/kit/log.ts';
import { makeRegistry, serveMetrics } from '@tvm/kit/metrics.ts';
import { aborted, notifyReady, runMain, settingsFrom } from '@tvm/kit/run-main.ts';
import { openTracing } from '@tvm/kit/tracing/tracing.ts';
import { readConfig } from './config.ts';
import { openFlintlock, version } from './flintlock.ts';
import { makeNetworks } from './network/networks.ts';
import { chooseDriver } from './vmm/choose.ts';
import { makeFakeDriver } from './vmm/fake/driver.ts';
import { FakeHost } from './vmm/fake/host.ts';
import { makeFakeImages } from './vmm/fake/images.ts';

const config = await settingsFrom(readConfig);
const log = makeLogger('flintlock', config.logLevel);
const closeMs = 10_000;

async function serveUntil(signal: AbortSignal): Promise<void> {
  const { cacheDir, kernel, drainMs, healthListen, metricsListen, traceRatio } = config;
  await using tracing =
    traceRatio === undefined ? undefined : await openTracing({ service: 'flintlock', version, ratio: traceRatio });
  const parts =
    config.driver === 'fake'
      ? { driver: makeFakeDriver(new FakeHost()), images: makeFakeImages() }
      : {
          driver: await chooseDriver({ ...config, log }),
          images: makeImageStore({ cacheDir, log, kernel }),
          networks: makeNetworks({
            stateFolder: config.stateFolder,
            cidr: config.networkCidr,
            dnsServers: config.dnsServers,
            nodeAddresses: config.nodeAddresses,
            log,
          }),
        };
  const registry = metricsListen && makeRegistry();
  await using flintlock = await openFlintlock({ config, log, registry, tracing, ...parts });
  const check = () => (flintlock.draining ? 'the node is being drained' : undefined);
  await using _health = healthListen && (await serveHealth({ node: check }, healthListen));
  await using _metrics = registry && (await serveMetrics(registry, metricsListen));
  log.info({ address: flintlock.address, driver: parts.driver.name }, 'serving');
  notifyReady({ address: flintlock.address });
  await aborted(signal);
  if (drainMs > 0) await flintlock.drain(drainMs);
}

await runMain(log, serveUntil, config.drainMs + closeMs);
