// lime-ctrl: reconcilers, execution engine and REST API in one process. This file only wires.
import { hostname } from 'node:os';
import { systemClock } from '@tvm/kit/clock.ts';
import { runWhileLeading } from '@tvm/kit/controller/leader-election.ts';
import { makeReflector } from '@tvm/kit/controller/reflector.ts';
import { serveHealth } from '@tvm/kit/health.ts';
import { mcpSessions, microVmPools, microVmSnapshots, microVms } from '@tvm/kit/kube/client.ts';
import { makeEventRecorder } from '@tvm/kit/kube/event-recorder.ts';
import { makeHttpsClient } from '@tvm/kit/kube/https-client.ts';
import { makeLogger } from '@tvm/kit/log.ts';
import { makeRegistry, serveMetrics } from '@tvm/kit/metrics.ts';
import { aborted, notifyReady, runMain } from '@tvm/kit/run-main.ts';
import { makeKubernetesAccess } from './access/kubernetes.ts';
import { makeTokenFileAccess } from './access/token-file.ts';
import { loadConfig } from './config.ts';
import { runControllers } from './controllers.ts';
import { makeAdmission } from './engine/admission.ts';
import { makeEngine } from './engine/engine.ts';
import { interpreterOfImage } from './engine/languages.ts';
import { makePool } from './engine/pool.ts';
import { connectFlintlock } from './flintlock/client.ts';
import { makeFleet } from './flintlock/fleet.ts';
import { makeLimeMetrics, watchEngine } from './metrics.ts';
import { makeActivity } from './microvm/activity.ts';
import manifest from './package.json' with { type: 'json' };
import { makeKeptProcesses } from './rest/kept-processes.ts';
import { serveRest } from './rest/server.ts';

const config = loadConfig();
const log = makeLogger('lime-ctrl', config.logLevel);

await runMain(log, async (signal) => {
  const clock = systemClock;
  const registry = makeRegistry();
  const metrics = makeLimeMetrics([registry]);
  using client = makeHttpsClient(config.loadKube());
  const recorder = makeEventRecorder({ client, clock, log, component: 'lime-ctrl', instance: hostname() });
  const clients = [...config.flintlocks].map(([name, address]) => [name, connectFlintlock(address).client] as const);
  const fleet = makeFleet(new Map(clients), { clock, log });
  const reflectors = {
    microVms: makeReflector({ client, resource: microVms, clock, log }),
    pools: makeReflector({ client, resource: microVmPools, clock, log }),
    snapshots: makeReflector({ client, resource: microVmSnapshots, clock, log }),
    sessions: makeReflector({ client, resource: mcpSessions, clock, log }),
  };
  const activity = makeActivity({ fleet, clock });
  const admission = makeAdmission({
    running: config.maxExecutions,
    runningPerNamespace: config.maxExecutionsPerNamespace,
    queued: config.maxQueuedExecutions,
  });
  const warm = config.warmImages.map((image) => ({
    image,
    cpu: 1,
    memory: 256,
    interpreter: interpreterOfImage(image),
  }));
  const pool = makePool({ fleet, clock, log, replica: config.replica, warm, keepUsed: config.pool });
  const engine = makeEngine({
    fleet,
    pool,
    admission,
    clock,
    bootDeadlineMs: config.bootDeadlineMs,
    onExecuted: metrics.onExecuted,
  });
  watchEngine([registry], pool, admission);

  await using _metrics = await serveMetrics(registry, config.metricsListen);
  await using _health = await serveHealth(
    {
      'api server': () => (reflectors.microVms.synced ? undefined : 'MicroVMs are not listed yet'),
      flintlock: () => (fleet.nodes().some((node) => node.reachable) ? undefined : 'no node answers'),
    },
    config.healthListen,
  );
  const running = [
    fleet.run(signal),
    reflectors.microVms.run(signal),
    reflectors.pools.run(signal),
    reflectors.snapshots.run(signal),
    reflectors.sessions.run(signal),
    pool.run(signal),
    runWhileLeading(
      { client, clock, log, namespace: config.leaseNamespace, name: 'lime-ctrl', identity: config.replica },
      (term) =>
        runControllers({ client, fleet, ...reflectors, recorder, activity, clock, log, pool, ...metrics }, term),
      signal,
    ),
  ];
  // With connections of its own: callers who are being checked do not hold up the controllers.
  using reviewClient = makeHttpsClient(config.loadKube());
  const access =
    config.auth.mode === 'kubernetes'
      ? makeKubernetesAccess({ client: reviewClient, clock, log, ...config.auth })
      : makeTokenFileAccess(config.tokensFile, clock);
  const kept = makeKeptProcesses({ clock, log });
  const { version } = manifest;
  {
    const parts = { client, fleet, pool, engine, activity, microVms: reflectors.microVms, access, kept };
    const deps = { ...parts, clock, log, version };
    await using rest = await serveRest(deps, config.listen);
    log.info({ url: rest.url, flintlocks: [...config.flintlocks.keys()] }, 'serving');
    notifyReady({ url: rest.url });
    await Promise.race([aborted(signal), Promise.all(running)]);
  }
  await Promise.all(running);
  await recorder.flush();
});
