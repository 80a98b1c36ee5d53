// The settings of lime-ctrl, from its environment. The only place that reads it.
import { hostname } from 'node:os';
import { join } from 'node:path';
import { TvmError } from '@tvm/api/errors.ts';
import { inClusterConfig, type KubeConfig, loadKubeConfig } from '@tvm/kit/kube/kube-config.ts';
import { type ListenAddress, parseListenAddress } from '@tvm/kit/listen.ts';
import { pathsFrom } from '@tvm/kit/paths.ts';
import { z } from 'zod';

const environment = z.object({
  KUBECONFIG: z.string().min(1).optional(),
  KUBERNETES_SERVICE_HOST: z.string().min(1).optional(),
  KUBERNETES_SERVICE_PORT: z.string().default('443'),
  TVM_FLINTLOCKS: z.string().optional(),
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
  TVM_MAX_QUEUED_EXECUTIONS: z.coerce.number().int().min(0).default(256),
  TVM_BOOT_TIMEOUT_SECONDS: z.coerce.number().positive().default(600),
  TVM_LEASE_NAMESPACE: z.string().default('default'),
  TVM_REPLICA_NAME: z.string().default(hostname()),
  TVM_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
});

export interface Config {
  logLevel: string;
  loadKube: () => KubeConfig;
  /** Name to address. */
  flintlocks: Map<string, string>;
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
  maxQueuedExecutions: number;
  bootDeadlineMs: number;
  leaseNamespace: string;
  /** Unique among replicas and the same after a restart. */
  replica: string;
}

/** Throws TvmError invalid_argument that names the variable. */
export function loadConfig(env: Record<string, string | undefined> = process.env): Config {
  const parsed = environment.safeParse(env);
  if (!parsed.success) throw new TvmError('invalid_argument', `environment: ${z.prettifyError(parsed.error)}`);
  const set = parsed.data;
  const { home } = pathsFrom(env);
  const auth = set.TVM_AUTH ?? (isInCluster(set) ? 'kubernetes' : 'tokens');
  return {
    logLevel: set.TVM_LOG_LEVEL,
    loadKube: () => kubeConfigOf(set, home),
    flintlocks: flintlocksOf(set.TVM_FLINTLOCKS ?? `local=unix:${join(home, 'run/flintlock.sock')}`),
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
    maxQueuedExecutions: set.TVM_MAX_QUEUED_EXECUTIONS,
    bootDeadlineMs: set.TVM_BOOT_TIMEOUT_SECONDS * 1000,
    leaseNamespace: set.TVM_LEASE_NAMESPACE,
    replica: set.TVM_REPLICA_NAME.replaceAll(/[^\w.-]/g, '-'),
  };
}

/** Where nobody shares it, one namespace may take all; where tenants do, a quarter is left for the others. */
function perNamespace(set: z.output<typeof environment>, auth: Config['auth']['mode']): number {
  const most = auth === 'tokens' ? set.TVM_MAX_EXECUTIONS : Math.ceil(set.TVM_MAX_EXECUTIONS * 0.75);
  return set.TVM_MAX_EXECUTIONS_PER_NAMESPACE ?? most;
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

function flintlocksOf(text: string): Map<string, string> {
  return new Map(
    listOf(text).map((entry) => {
      const [, name, address] = /^([\w.-]+)=(unix:\/.+|[^\s]+:\d+)$/.exec(entry) ?? [];
      if (name !== undefined && address !== undefined) return [name, address];
      throw new TvmError('invalid_argument', `TVM_FLINTLOCKS: "${entry}" is not NAME=unix:/PATH or NAME=HOST:PORT`);
    }),
  );
}

function listOf(text: string): string[] {
  return text
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '');
}
