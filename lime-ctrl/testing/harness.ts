// The whole of lime-ctrl in this process over fakes: a Kubernetes API in memory and a flintlock in memory.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { apiVersion } from '@tvm/api/kinds/meta.ts';
import type { MicroVm } from '@tvm/api/kinds/microvm.ts';
import { systemClock } from '@tvm/kit/clock.ts';
import { makeEventRecorder } from '@tvm/kit/kube/event-recorder.ts';
import { type MemoryKube, makeMemoryKube } from '@tvm/kit/kube/memory-client.ts';
import { makeLogger } from '@tvm/kit/log.ts';
import type { Tracing } from '@tvm/kit/tracing/tracing.ts';
import type { Access } from '../access/access.ts';
import { makeTokenFileAccess } from '../access/token-file.ts';
import { runControllers } from '../controllers.ts';
import { makeAdmission } from '../engine/admission.ts';
import { type Engine, makeEngine } from '../engine/engine.ts';
import { makePool, type Pool } from '../engine/pool.ts';
import type { Shape } from '../engine/shape.ts';
import { traceEngine, tracePool } from '../engine/traced-engine.ts';
import type { FlintlockClient } from '../flintlock/client.ts';
import { type Fleet, makeFleet } from '../flintlock/fleet.ts';
import { type Gateway, type GatewayHandlers, type GatewaySettings, makeGateway } from '../mcp/gateway.ts';
import type { HandlersDeps } from '../mcp/handlers.ts';
import type { SessionKeys } from '../mcp/sessions/keys.ts';
import { makeActivity } from '../microvm/activity.ts';
import { readCredentialsBy } from '../microvm/secret-inputs.ts';
import { declarePools } from '../microvm-pool/declare.ts';
import type { Limits } from '../quota/limits.ts';
import { makeQuota } from '../quota/quota.ts';
import { makeReflectors } from '../reflectors.ts';
import { type Replicas, soleReplica } from '../replicas/replicas.ts';
import { makeKeptProcesses } from '../rest/kept-processes.ts';
import { type RunningRest, serveRest } from '../rest/server.ts';
import { type EchoHandlers, makeEchoHandlers } from './echo-handlers.ts';
import { type FakeFlintlock, makeFakeFlintlock } from './fake-flintlock.ts';

export const testToken = 'a-token-for-tests-only';

export interface Harness extends AsyncDisposable {
  url: string;
  kube: MemoryKube;
  flintlock: FakeFlintlock;
  fleet: Fleet;
  pool: Pool;
  engine: Engine;
  /** What answers the requests of MCP sessions. */
  handlers: EchoHandlers;
  gateway: Gateway;
  rest: RunningRest;
  fetch: (path: string, init?: RequestInit) => Promise<Response>;
}

export async function startHarness(
  options: {
    warm?: Shape[];
    maxExecutions?: number;
    maxQueued?: number;
    flintlock?: FakeFlintlock;
    /** Of another flintlock, instead. */
    client?: FlintlockClient;
    tracing?: Tracing;
    kube?: MemoryKube;
    /** This replica among others; none: the only one. */
    replicas?: Replicas;
    access?: Access;
    /** Limits of every namespace. */
    quota?: Limits;
    /** Lines of the tokens file beside the one of testToken. */
    tokens?: string[];
    portUrlSeconds?: number;
    /** Of the MCP gateway. */
    gateway?: Partial<GatewaySettings>;
    /** What answers the requests of MCP sessions instead of the echo. */
    makeHandlers?: (deps: HandlersDeps, keys: SessionKeys) => GatewayHandlers;
    /** It does not lead: others run the controllers. */
    follower?: boolean;
  } = {},
): Promise<Harness> {
  const log = makeLogger('test', 'silent');
  const clock = systemClock;
  const stop = new AbortController();
  const folder = mkdtempSync(join(tmpdir(), 'tvm-lime-'));
  writeFileSync(join(folder, 'tokens'), [`${testToken},tester,everyone`, ...(options.tokens ?? [])].join('\n'));
  const kube = options.kube ?? makeMemoryKube();
  const replicas = options.replicas ?? soleReplica('test');
  const flintlock = options.flintlock ?? makeFakeFlintlock();
  const fleet = makeFleet(new Map([['node-a', options.client ?? flintlock.client]]), { clock, log });
  const reflectors = makeReflectors({ client: kube, clock, log });
  const limits = { quotas: () => [], fallback: options.quota ?? {} };
  const quota = makeQuota({ microVms: reflectors.microVms, pools: reflectors.pools.list, ...limits, clock });
  const readCredentials = readCredentialsBy(kube);
  const pool = makePool({ fleet, clock, log, replica: replicas.own, warm: options.warm ?? [], readCredentials });
  const activity = makeActivity({ fleet, clock });
  const running = options.maxExecutions ?? 8;
  const admission = makeAdmission({ running, runningPerNamespace: running, queued: options.maxQueued ?? 8 });
  const { tracing } = options;
  const enginePool = tracing ? tracePool(pool, tracing) : pool;
  const bareEngine = makeEngine({ fleet, pool: enginePool, admission, quota, clock, bootDeadlineMs: 5_000 });
  const engine = tracing ? traceEngine(bareEngine, tracing) : bareEngine;
  const handlers = makeEchoHandlers();
  const gateway = makeGateway({
    client: kube,
    fleet,
    sessions: reflectors.sessions,
    microVms: reflectors.microVms,
    activity,
    replicas,
    settings: {
      publicUrl: undefined,
      origins: [],
      tokenLifeMs: 3_600_000,
      keysNamespace: 'default',
      ...options.gateway,
    },
    registers: [],
    makeHandlers: (keys) =>
      options.makeHandlers?.({ client: kube, fleet, clock, log, version: 'test', replica: replicas.own }, keys) ??
      handlers,
    clock,
    log,
  });
  const sessionControl = gateway.control;
  const recorder = makeEventRecorder({ client: kube, clock, log, component: 'lime-ctrl', instance: 'test' });
  const controllersDeps = {
    ...{ client: kube, fleet, ...reflectors, quota, recorder },
    ...{ activity, clock, log, pool, sessionControl },
  };
  const loops = [
    fleet.run(stop.signal),
    reflectors.microVms.run(stop.signal),
    reflectors.pools.run(stop.signal),
    reflectors.snapshots.run(stop.signal),
    reflectors.sessions.run(stop.signal),
    pool.run(stop.signal),
    gateway.run(stop.signal),
    declarePools({ pools: reflectors.pools, pool, replicas, quota }, stop.signal),
    ...(options.follower ? [] : [runControllers(controllersDeps, stop.signal)]),
  ];
  const access = options.access ?? makeTokenFileAccess(join(folder, 'tokens'), clock);
  const kept = makeKeptProcesses({ clock, log, isAlone: () => true });
  const parts = { client: kube, fleet, pool, engine, activity, microVms: reflectors.microVms, access, kept };
  const rest = await serveRest(
    {
      ...parts,
      tracing,
      clock,
      log,
      version: 'test',
      addGatewayRoutes: gateway.addRoutes,
      sessionTokens: sessionControl.tokens,
      portUrls: {
        seal: gateway.seal,
        clock,
        portUrlSeconds: options.portUrlSeconds ?? 3_600,
        base: sessionControl.base,
      },
    },
    { host: '127.0.0.1', port: 0 },
  );
  gateway.serveAt(rest.url);
  await eventually(() => fleet.nodes().every((node) => node.reachable));
  return {
    url: rest.url,
    kube,
    flintlock,
    fleet,
    pool,
    engine,
    handlers,
    gateway,
    rest,
    fetch: (path, init = {}) => {
      const headers = { authorization: `Bearer ${testToken}`, ...(init.headers as Record<string, string> | undefined) };
      return fetch(`${rest.url}${path}`, { ...init, headers });
    },
    async [Symbol.asyncDispose]() {
      await rest[Symbol.asyncDispose]();
      stop.abort();
      await Promise.all(loops);
      await recorder.flush();
      rmSync(folder, { recursive: true });
    },
  };
}

/** Waits until `check` gives something true, and gives that. Fails after ten seconds. */
export async function eventually<T>(check: () => T | Promise<T>): Promise<NonNullable<T>> {
  const deadlineMs = Date.now() + 10_000;
  for (;;) {
    const result = await check();
    if (result) return result;
    if (Date.now() > deadlineMs) throw new Error(`never came true: ${check}`);
    await sleep(5);
  }
}

export function microVm(name: string, spec: Partial<MicroVm['spec']> = {}): MicroVm {
  return {
    apiVersion,
    kind: 'MicroVM',
    metadata: { name, namespace: 'default' },
    spec: { image: 'tvm/python', cpu: 1, memory: 256, desiredState: 'Running', ...spec },
  };
}

export function postJson(body: unknown): RequestInit {
  return { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}
