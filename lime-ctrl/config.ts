// The settings of lime-ctrl, from its environment. The only place that reads it.
import { hostname } from 'node:os';
import { join } from 'node:path';
import { TvmError } from '@tvm/api/errors.ts';
import { longestPortUrlSeconds } from '@tvm/api/rest/ports.ts';
import { inClusterConfig, type KubeConfig, loadKubeConfig } from '@tvm/kit/kube/kube-config.ts';
import { type ListenAddress, parseListenAddress } from '@tvm/kit/listen.ts';
import { pathsFrom } from '@tvm/kit/paths.ts';
import { traceRatioOf, tracingVariables } from '@tvm/kit/tracing/settings.ts';
import { z } from 'zod';
import { type FlintlockSource, parseFlintlocks, parseScale, type ScaleSetting } from './flintlock-settings.ts';
import type { GatewaySettings } from './mcp/gateway.ts';
import { type Limits, measures } from './quota/limits.ts';
import { parseQuantity } from './quota/quantity.ts';

const environment = z.object({
  KUBECONFIG: z.string().min(1).optional(),
  KUBERNETES_SERVICE_HOST: z.string().min(1).optional(),
  KUBERNETES_SERVICE_PORT: z.string().default('443'),
  TVM_FLINTLOCKS: z.string().optional(),
  TVM_FLINTLOCK_SCALE: z.string().min(1).optional(),
  TVM_TLS_DIR: z.string().min(1).optional(),
  TVM_TLS_SERVER_NAME: z.string().min(1).default('flintlock.tvm-nodes.svc'),
  TVM_NAMESPACE: z.string().min(1).optional(),
  TVM_POD_IP: z.string().min(1).optional(),
  TVM_POD_UID: z.string().min(1).optional(),
  TVM_LIME_LISTEN: z.string().default('127.0.0.1:8082'),
  TVM_METRICS_LISTEN: z.string().default('127.0.0.1:8080'),
  TVM_HEALTH_LISTEN: z.string().default('127.0.0.1:8081'),
  TVM_AUTH: z.enum(['tokens', 'kubernetes']).optional(),
  TVM_AUTH_AUDIENCES: z.string().default(''),
  TVM_AUTH_CACHE_SECONDS: z.coerce.number().min(0).max(300).default(30),
  TVM_TOKENS_FILE: z.string().optional(),
  TVM_WARM_IMAGES: z.string().default('tvm/python'),
  TVM_POOL: z.enum(['on', 'off']).default('on'),
  TVM_MAX_EXECUTIONS: z.coerce.number().int().min(1).default(16),
  TVM_MAX_EXECUTIONS_PER_NAMESPACE: z.coerce.number().int().min(1).optional(),
  TVM_QUOTAS: z.enum(['on', 'off']).optional(),
  TVM_NAMESPACE_QUOTA: z.string().default(''),
  TVM_MAX_QUEUED_EXECUTIONS: z.coerce.number().int().min(0).default(256),
  TVM_BOOT_TIMEOUT_SECONDS: z.coerce.number().positive().default(600),
  TVM_LEASE_NAMESPACE: z.string().min(1).optional(),
  TVM_PUBLIC_URL: z.string().min(1).optional(),
  TVM_MCP_ORIGINS: z.string().default(''),
  TVM_SESSION_TOKEN_SECONDS: z.coerce.number().int().min(60).max(31_536_000).default(86_400),
  TVM_PORT_URL_SECONDS: z.coerce.number().int().min(0).max(longestPortUrlSeconds).default(longestPortUrlSeconds),
  TVM_DRAIN_SECONDS: z.coerce.number().min(0).default(0),
  TVM_REPLICA_NAME: z.string().default(hostname()),
  ...tracingVariables,
  TVM_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
});

export interface Config {
  logLevel: string;
  /** The share of traces that begin here that is recorded; undefined: nothing is traced. */
  traceRatio: number | undefined;
  loadKube: () => KubeConfig;
  flintlocks: FlintlockSource;
  /** The flintlocks are scaled by lime-ctrl; undefined: by whoever deployed them. */
  scale: ScaleSetting | undefined;
  /** For flintlocks of a list that are reached over a network. */
  tls: { folder: string; serverName: string } | undefined;
  /** The pod that this process is in, one of several replicas; undefined: it is the only one. */
  pod: { namespace: string; name: string; uid: string | undefined } | undefined;
  listen: ListenAddress;
  metricsListen: ListenAddress;
  healthListen: ListenAddress;
  /** How callers of REST are checked: by a file of tokens, or by the API server. */
  auth: { mode: 'tokens' | 'kubernetes'; audiences: string[]; cacheMs: number };
  tokensFile: string;
  /** Images that always have a machine of 1 CPU and 256 MB waiting. */
  warmImages: string[];
  /** False: no machine waits unless one is declared to. */
  pool: boolean;
  maxExecutions: number;
  /** So many of them for one namespace: the others always find a place that becomes free. */
  maxExecutionsPerNamespace: number;
  /** Whether the API server has ResourceQuotas; without, the setting below is all. */
  quotas: boolean;
  /** For what the ResourceQuotas of a namespace do not name. */
  namespaceQuota: Limits;
  maxQueuedExecutions: number;
  bootDeadlineMs: number;
  /** How long the end waits for requests under way. */
  drainMs: number;
  leaseNamespace: string;
  /** The longest life of a URL of a port; 0: none are given out. */
  portUrlSeconds: number;
  /** Of the MCP gateway. */
  gateway: GatewaySettings;
  /** Where other replicas reach this one's REST server; undefined: they do not. */
  replicaUrl: string | undefined;
  /** Unique among replicas and the same after a restart. */
  replica: string;
}

/** Throws TvmError invalid_argument that names the variable. */
export function loadConfig(env: Record<string, string | undefined> = process.env): Config {
  const parsed = environment.safeParse(env);
  if (!parsed.success) throw new TvmError('invalid_argument', `environment: ${z.prettifyError(parsed.error)}`);
  const set = parsed.data;
  checkTogether(set);
  const { home } = pathsFrom(env);
  const auth = set.TVM_AUTH ?? (isInCluster(set) ? 'kubernetes' : 'tokens');
  return {
    logLevel: set.TVM_LOG_LEVEL,
    traceRatio: traceRatioOf(set),
    loadKube: () => kubeConfigOf(set, home),
    flintlocks: parseFlintlocks(set.TVM_FLINTLOCKS ?? `local=unix:${join(home, 'run/flintlock.sock')}`),
    scale: set.TVM_FLINTLOCK_SCALE === undefined ? undefined : parseScale(set.TVM_FLINTLOCK_SCALE),
    tls: set.TVM_TLS_DIR === undefined ? undefined : { folder: set.TVM_TLS_DIR, serverName: set.TVM_TLS_SERVER_NAME },
    pod: podOf(set),
    listen: parseListenAddress(set.TVM_LIME_LISTEN),
    metricsListen: parseListenAddress(set.TVM_METRICS_LISTEN),
    healthListen: parseListenAddress(set.TVM_HEALTH_LISTEN),
    auth: {
      mode: auth,
      audiences: listOf(set.TVM_AUTH_AUDIENCES),
      cacheMs: set.TVM_AUTH_CACHE_SECONDS * 1000,
    },
    tokensFile: set.TVM_TOKENS_FILE ?? join(home, 'tokens'),
    warmImages: set.TVM_POOL === 'on' ? listOf(set.TVM_WARM_IMAGES) : [],
    pool: set.TVM_POOL === 'on',
    maxExecutions: set.TVM_MAX_EXECUTIONS,
    maxExecutionsPerNamespace: perNamespace(set, auth),
    quotas: set.TVM_QUOTAS === undefined ? isInCluster(set) : set.TVM_QUOTAS === 'on',
    namespaceQuota: namespaceQuotaOf(set.TVM_NAMESPACE_QUOTA),
    maxQueuedExecutions: set.TVM_MAX_QUEUED_EXECUTIONS,
    bootDeadlineMs: set.TVM_BOOT_TIMEOUT_SECONDS * 1000,
    drainMs: set.TVM_DRAIN_SECONDS * 1000,
    leaseNamespace: set.TVM_LEASE_NAMESPACE ?? set.TVM_NAMESPACE ?? 'default',
    portUrlSeconds: set.TVM_PORT_URL_SECONDS,
    gateway: {
      publicUrl: publicUrlOf(set),
      origins: listOf(set.TVM_MCP_ORIGINS),
      tokenLifeMs: set.TVM_SESSION_TOKEN_SECONDS * 1000,
      keysNamespace: set.TVM_LEASE_NAMESPACE ?? set.TVM_NAMESPACE ?? 'default',
    },
    replicaUrl: replicaUrlOf(set),
    replica: set.TVM_REPLICA_NAME.replaceAll(/[^\w.-]/g, '-'),
  };
}

function checkTogether({
  TVM_FLINTLOCKS = '',
  TVM_FLINTLOCK_SCALE,
  TVM_NAMESPACE,
}: z.output<typeof environment>): void {
  const found = TVM_FLINTLOCKS.startsWith('endpoints:');
  const needed = 'needs TVM_FLINTLOCKS=endpoints:NAMESPACE/SERVICE';
  if (TVM_FLINTLOCK_SCALE !== undefined && !found) {
    throw new TvmError('invalid_argument', `TVM_FLINTLOCK_SCALE ${needed}`);
  }
  if (found && TVM_NAMESPACE === undefined) {
    throw new TvmError(
      'invalid_argument',
      'TVM_FLINTLOCKS=endpoints:… needs TVM_NAMESPACE, where the certificates are',
    );
  }
}

/** In a cluster, its Service; a URL that is set loses the slash at its end. */
function publicUrlOf(set: z.output<typeof environment>): string | undefined {
  const { TVM_PUBLIC_URL: given, TVM_NAMESPACE, TVM_LIME_LISTEN } = set;
  if (given === undefined) {
    const listen = parseListenAddress(TVM_LIME_LISTEN);
    const port = 'port' in listen ? listen.port : 0;
    return TVM_NAMESPACE !== undefined && port > 0 ? `http://lime-ctrl.${TVM_NAMESPACE}.svc:${port}` : undefined;
  }
  const url = URL.canParse(given) ? new URL(given) : undefined;
  if (!url || !/^https?:$/.test(url.protocol) || url.search || url.hash || url.username) {
    throw new TvmError('invalid_argument', `TVM_PUBLIC_URL: "${given}" is not a URL such as https://tvm.example.com`);
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}`;
}

function replicaUrlOf({ TVM_POD_IP: ip, TVM_LIME_LISTEN }: z.output<typeof environment>): string | undefined {
  const listen = parseListenAddress(TVM_LIME_LISTEN);
  if (ip === undefined || !('port' in listen) || listen.port === 0) return undefined;
  return `http://${ip.includes(':') ? `[${ip}]` : ip}:${listen.port}`;
}

/** Where nobody shares it, one namespace may take all; where tenants do, a quarter is left for the others. */
function perNamespace(set: z.output<typeof environment>, auth: Config['auth']['mode']): number {
  const most = auth === 'tokens' ? set.TVM_MAX_EXECUTIONS : Math.ceil(set.TVM_MAX_EXECUTIONS * 0.75);
  return set.TVM_MAX_EXECUTIONS_PER_NAMESPACE ?? most;
}

/** "machines=20,cpu=40,memory=64Gi" */
function namespaceQuotaOf(text: string): Limits {
  return Object.fromEntries(
    listOf(text).map((entry) => {
      const [name, value = ''] = entry.split('=');
      const measure = measures.find((each) => each === name);
      const limit = parseQuantity(value);
      if (measure !== undefined && limit !== undefined && limit >= 0) return [measure, limit];
      const known = measures.join(', ');
      throw new TvmError(
        'invalid_argument',
        `TVM_NAMESPACE_QUOTA: "${entry}" is not NAME=QUANTITY, NAME one of ${known}`,
      );
    }),
  );
}

function isInCluster({ KUBECONFIG, KUBERNETES_SERVICE_HOST }: z.output<typeof environment>): boolean {
  return KUBECONFIG === undefined && KUBERNETES_SERVICE_HOST !== undefined;
}

function kubeConfigOf(set: z.output<typeof environment>, home: string): KubeConfig {
  if (isInCluster(set)) {
    return inClusterConfig(set.KUBERNETES_SERVICE_HOST ?? '', set.KUBERNETES_SERVICE_PORT);
  }
  return loadKubeConfig(set.KUBECONFIG ?? join(home, 'apiserver/kubeconfig'));
}

function podOf({ TVM_NAMESPACE, TVM_REPLICA_NAME, TVM_POD_UID }: z.output<typeof environment>): Config['pod'] {
  if (TVM_NAMESPACE === undefined) return undefined;
  return { namespace: TVM_NAMESPACE, name: TVM_REPLICA_NAME, uid: TVM_POD_UID };
}

function listOf(text: string): string[] {
  return text
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '');
}
