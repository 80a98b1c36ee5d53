// lime-ctrl: reconcilers, execution engine and REST API in one process. This file only wires.
import { hostname } from 'node:os';
import { systemClock } from '@tvm/kit/clock.ts';
import { runWhileLeading } from '@tvm/kit/controller/leader-election.ts';
import { makeReflector } from '@tvm/kit/controller/reflector.ts';
import { serveHealth } from '@tvm/kit/health.ts';
import { makeEventRecorder } from '@tvm/kit/kube/event-recorder.ts';
import { makeHttpsClient } from '@tvm/kit/kube/https-client.ts';
import { makeLogger } from '@tvm/kit/log.ts';
import { makeRegistry, serveMetrics } from '@tvm/kit/metrics.ts';
import { aborted, notifyReady, runMain } from '@tvm/kit/run-main.ts';
import { tracedCalls } from '@tvm/kit/tracing/rpc.ts';
import { openTracing } from '@tvm/kit/tracing/tracing.ts';
import { makeKubernetesAccess } from './access/kubernetes.ts';
import { makeTokenFileAccess } from './access/token-file.ts';
import { loadConfig } from './config.ts';
import { noteDenials } from './denials.ts';
import { drain } from './drain.ts';
import { makeAdmission } from './engine/admission.ts';
import { makeEngine } from './engine/engine.ts';
import { interpreterOfImage } from './engine/languages.ts';
import { makePool } from './engine/pool.ts';
import { traceEngine, tracePool } from './engine/traced-engine.ts';
import { openFleet } from './flintlock/open-fleet.ts';
import { lead } from './lead.ts';
import { makeGateway } from './mcp/gateway.ts';
import { makeMcpHandlers } from './mcp/handlers.ts';
import { makeLimeMetrics, watchEngine, watchFleet } from './metrics.ts';
import { makeActivity } from './microvm/activity.ts';
import { readCredentialsBy } from './microvm/secret-inputs.ts';
import { declarePools } from './microvm-pool/declare.ts';
import { makeTell, tellTroubles } from './own-events.ts';
import manifest from './package.json' with { type: 'json' };
import { resourceQuotas } from './quota/limits.ts';
import { makeQuota } from './quota/quota.ts';
import { makeReflectors } from './reflectors.ts';
import { makeReplicas, soleReplica, whenListed } from './replicas/replicas.ts';
import { makeKeptProcesses } from './rest/kept-processes.ts';
import { serveRest } from './rest/server.ts';
import { pendingDemand } from './scaling/pending.ts';

const config = loadConfig();
const log = makeLogger('lime-ctrl', config.logLevel);
const closeMs = 10_000;

async function serveUntil(signal: AbortSignal): Promise<void> {
  const clock = systemClock;
  const registry = makeRegistry();
  const metrics = makeLimeMetrics([registry]);
  using connection = makeHttpsClient(config.loadKube());
  const denials = noteDenials(connection, clock);
  const { client } = denials;
  const recorder = makeEventRecorder({ client, clock, log, component: 'lime-ctrl', instance: hostname() });
  const { pod } = config;
  const tell = makeTell(recorder, pod);
  const { traceRatio } = config;
  await using tracing =
    traceRatio === undefined
      ? undefined
      : await openTracing({ service: 'lime-ctrl', version: manifest.version, ratio: traceRatio });
  const interceptors = tracing ? [tracedCalls(tracing)] : [];
  const nodes = openFleet(config, { client, clock, log, interceptors });
  const { fleet } = nodes;
  const replicas = pod
    ? makeReplicas({ client, namespace: pod.namespace, own: config.replica, url: config.replicaUrl, clock, log })
    : soleReplica(config.replica);
  const reflectors = makeReflectors({ client, clock, log });
  const quotas = config.quotas ? makeReflector({ client, resource: resourceQuotas, clock, log }) : undefined;
  const quota = makeQuota({
    microVms: reflectors.microVms,
    pools: reflectors.pools.list,
    quotas: () => quotas?.list() ?? [],
    fallback: config.namespaceQuota,
    clock,
  });
  const activity = makeActivity({ fleet, clock });
  const { version } = manifest;
  const gateway = makeGateway({
    client,
    fleet,
    sessions: reflectors.sessions,
    microVms: reflectors.microVms,
    activity,
    replicas,
    settings: config.gateway,
    registers: [registry],
    makeHandlers: (keys) =>
      makeMcpHandlers(
        { client, fleet, clock, log, version, replica: config.replica, portUrlSeconds: config.portUrlSeconds },
        keys,
      ),
    clock,
    log,
  });
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
  const readCredentials = readCredentialsBy(client);
  const pool = makePool({
    ...{ fleet, clock, log, replica: config.replica, warm, keepUsed: config.pool, readCredentials },
  });
  const untracedEngine = makeEngine({
    fleet,
    pool: tracing ? tracePool(pool, tracing) : pool,
    admission,
    quota,
    clock,
    bootDeadlineMs: config.bootDeadlineMs,
    onExecuted: metrics.onExecuted,
  });
  const engine = tracing ? traceEngine(untracedEngine, tracing) : untracedEngine;
  watchEngine([registry], pool, admission);
  watchFleet([registry], fleet, () => pendingDemand({ microVms: reflectors.microVms, pool }));

  await using _metrics = await serveMetrics(registry, config.metricsListen);
  const { trouble } = nodes;
  const needs = {
    'api server': () =>
      reflectors.microVms.trouble ?? (reflectors.microVms.synced ? undefined : 'MicroVMs are not listed yet'),
    ...(quotas && {
      quotas: () => quotas.trouble ?? (quotas.synced ? undefined : 'ResourceQuotas are not listed yet'),
    }),
  };
  const kinds = () => reflectors.pools.trouble ?? reflectors.snapshots.trouble ?? reflectors.sessions.trouble;
  // In a cluster a replica without nodes still answers, and says what is missing.
  await using _health = await (pod
    ? serveHealth(needs, config.healthListen, { flintlock: trouble, 'other kinds': kinds, rights: denials.trouble })
    : serveHealth({ ...needs, flintlock: trouble }, config.healthListen));
  const troubles = {
    ...{ ApiServerTrouble: needs['api server'], KindsMissing: kinds },
    ...{ NoFlintlock: trouble, RightsMissing: denials.trouble },
  };
  const leadDeps = {
    ...{
      client,
      fleet,
      ...reflectors,
      ...(quotas && { quotas }),
      quota,
      recorder,
      activity,
      clock,
      log,
      pool,
      ...metrics,
    },
    ...{ names: nodes.names, pod, scale: config.scale, replicas, tell, sessionControl: gateway.control },
  };
  const election = {
    client,
    clock,
    log,
    namespace: config.leaseNamespace,
    name: 'lime-ctrl',
    identity: config.replica,
  };
  // What serves goes on while requests that are under way end; another leads from the beginning of that.
  const over = new AbortController();
  const serving = gateway.run(over.signal);
  const running = [
    nodes.run(over.signal),
    replicas.run(over.signal),
    reflectors.microVms.run(over.signal),
    reflectors.pools.run(over.signal),
    reflectors.snapshots.run(over.signal),
    reflectors.sessions.run(over.signal),
    ...(quotas ? [quotas.run(over.signal)] : []),
    whenListed(replicas, over.signal).then(() => pool.run(over.signal)),
    declarePools({ pools: reflectors.pools, pool, replicas, quota, ...(quotas && { quotas }) }, over.signal),
    serving,
    runWhileLeading(election, (_, term) => lead(leadDeps, term), signal),
    tellTroubles({ tell, troubles, clock }, over.signal),
  ];
  // With connections of its own: callers who are being checked do not hold up the controllers.
  using reviewClient = makeHttpsClient(config.loadKube());
  const access =
    config.auth.mode === 'kubernetes'
      ? makeKubernetesAccess({ client: reviewClient, clock, log, ...config.auth })
      : makeTokenFileAccess(config.tokensFile, clock);
  const kept = makeKeptProcesses({ clock, log, isAlone: () => replicas.living().length <= 1 });
  // Machines are made for callers: others must know whose they are.
  await whenListed(replicas, signal);
  {
    const parts = { client, fleet, pool, engine, activity, microVms: reflectors.microVms, access, kept };
    const deps = {
      ...parts,
      tracing,
      clock,
      log,
      version,
      addGatewayRoutes: gateway.addRoutes,
      sessionTokens: gateway.control.tokens,
      portUrls: { seal: gateway.seal, clock, portUrlSeconds: config.portUrlSeconds, base: gateway.control.base },
    };
    await using rest = await serveRest(deps, config.listen);
    gateway.serveAt(rest.url);
    log.info({ url: rest.url, flintlocks: fleet.nodes().map(({ name }) => name) }, 'serving');
    notifyReady({ url: rest.url });
    await Promise.race([aborted(signal), Promise.all(running)]);
    if (config.drainMs > 0) await drain({ rest, gateway, clock, log }, config.drainMs);
    over.abort();
    // It tells clients of what is not answered, before their connections are cut.
    await serving;
  }
  await Promise.all(running);
  await recorder.flush();
}

await runMain(log, serveUntil, config.drainMs + closeMs);
