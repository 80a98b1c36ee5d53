// What the environment says to flintlock. The only reader of process.env here.
import { existsSync, statfsSync } from 'node:fs';
import { availableParallelism, hostname, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { TvmError } from '@tvm/api/errors.ts';
import { findFirecracker, findJailer } from '@tvm/kit/firecracker-release.ts';
import { type ListenAddress, parseListenAddress } from '@tvm/kit/listen.ts';
import { pathsFrom } from '@tvm/kit/paths.ts';
import { traceRatioOf, tracingVariables } from '@tvm/kit/tracing/settings.ts';
import { z } from 'zod';
import type { ConfinementSettings } from './confinement/confinement.ts';
import { defaultUserRange, parseUserRange } from './confinement/users.ts';

const defaultMemoryShare = 0.75;
const defaultDiskShare = 0.8;
const mib = 1024 * 1024;

function refuse(context: z.RefinementCtx): never {
  context.addIssue({ code: 'custom', message: `must be a range of users such as ${defaultUserRange}` });
  return z.NEVER;
}

const environment = z.object({
  TVM_FLINTLOCK_LISTEN: z.string().min(1).optional(),
  TVM_DRIVER: z.enum(['auto', 'firecracker', 'qemu', 'fake']).default('auto'),
  FIRECRACKER_BIN: z.string().min(1).optional(),
  JAILER_BIN: z.string().min(1).optional(),
  TVM_JAILER: z.string().min(1).optional(),
  TVM_HUGE_PAGES: z.enum(['off', '2M']).default('off'),
  TVM_DIFF_SNAPSHOTS: z.enum(['on', 'off']).default('off'),
  TVM_ACCELERATOR: z.enum(['auto', 'kvm', 'tcg']).default('auto'),
  TVM_NODE_NAME: z.string().min(1).default(hostname()),
  TVM_MEMORY_MIB: z.coerce.number().int().positive().optional(),
  TVM_CPUS: z.coerce.number().int().positive().optional(),
  TVM_DISK_MIB: z.coerce.number().int().positive().optional(),
  TVM_MACHINE_LIMIT: z.coerce.number().int().positive().default(4096),
  TVM_BOOT_TIMEOUT_SECONDS: z.coerce.number().positive().default(60),
  TVM_TEMPLATES: z.enum(['on', 'off']).default('on'),
  TVM_SUSPEND_AFTER_SECONDS: z.coerce.number().min(0).default(60),
  TVM_CONFINEMENT: z.enum(['auto', 'require', 'off']).default('auto'),
  TVM_UID_RANGE: z
    .string()
    .default(defaultUserRange)
    .transform((text, context) => parseUserRange(text) ?? refuse(context)),
  TVM_NETWORK_CIDR: z.string().min(1).optional(),
  TVM_DNS_SERVERS: z
    .string()
    .min(1)
    .transform((text) => text.split(',').map((server) => server.trim()))
    .pipe(z.array(z.union([z.ipv4(), z.ipv6()], 'must be addresses of name servers, separated by commas')).max(3))
    .optional(),
  TVM_NODE_ADDRESSES: z
    .string()
    .default('')
    .transform((text) => text.split(',').flatMap((address) => address.trim() || []))
    .pipe(z.array(z.union([z.ipv4(), z.ipv6()], 'must be addresses of the node, separated by commas'))),
  TVM_KERNEL: z.string().min(1).optional(),
  TVM_TLS_DIR: z.string().min(1).optional(),
  TVM_HEALTH_LISTEN: z.string().min(1).optional(),
  TVM_METRICS_LISTEN: z.string().min(1).optional(),
  TVM_DRAIN_SECONDS: z.coerce.number().min(0).default(0),
  ...tracingVariables,
  TVM_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
});

export interface Config {
  listen: string;
  /** auto: Firecracker where it is installed and KVM is there, else QEMU. */
  driver: 'auto' | 'firecracker' | 'qemu' | 'fake';
  /** A path. */
  firecracker: string;
  /** A path, or a name to look for in PATH. */
  jailer: string;
  /** Memory of machines in huge pages of 2 MiB, which clones do not share. Firecracker only. */
  hugePages: boolean;
  /** What a machine wrote since its last snapshot is known, and the next one writes only that. Firecracker only. */
  diffSnapshots: boolean;
  accelerator: 'auto' | 'kvm' | 'tcg';
  nodeName: string;
  limits: { cpus: number; memoryMiB: number; machines: number; diskMiB?: number };
  bootTimeoutMs: number;
  /** False: machines always boot. */
  templates: boolean;
  /** How long a machine is paused before its memory goes to disk; 0: it never does. */
  suspendAfterMs: number;
  /** How virtual machine monitors are confined, and the users that they may run as. */
  confinement: ConfinementSettings;
  /** Where machines have their addresses; undefined: a part of 100.64.0.0/10 that is free. */
  networkCidr: string | undefined;
  /** That names of machines are asked of; undefined: those of the host. */
  dnsServers: string[] | undefined;
  /** Of the node, where flintlock has others, as in a pod. */
  nodeAddresses: string[];
  kernel: string | undefined;
  /** Certificates to serve with (tls.crt, tls.key, ca.crt); undefined: cleartext, for this host alone. */
  tlsFolder: string | undefined;
  /** Undefined: not served. */
  healthListen: ListenAddress | undefined;
  metricsListen: ListenAddress | undefined;
  /** How long machines may take to end when this process is told to; 0: they outlive it. */
  drainMs: number;
  logLevel: string;
  /** The share of traces that begin here that is recorded; undefined: nothing is traced. */
  traceRatio: number | undefined;
  /** Absolute; everything that flintlock keeps is below it. */
  stateFolder: string;
  cacheDir: string;
}

/** Of the file system that a folder is on, or will be. */
function fileSystemMiB(folder: string): number {
  if (!existsSync(folder) && dirname(folder) !== folder) return fileSystemMiB(dirname(folder));
  const { blocks, bsize } = statfsSync(folder);
  return (blocks * bsize) / mib;
}

/** Throws `invalid_argument` naming the variable. */
export function readConfig(env: Record<string, string | undefined> = process.env): Config {
  const parsed = environment.safeParse(env);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new TvmError('invalid_argument', `${issue?.path.join('.')}: ${issue?.message}`);
  }
  const { data } = parsed;
  const paths = pathsFrom(env);
  const firecracker = findFirecracker(data.FIRECRACKER_BIN, paths.cache, env.PATH ?? '');
  return {
    listen: data.TVM_FLINTLOCK_LISTEN ?? `unix:${join(paths.home, 'run/flintlock.sock')}`,
    driver: data.TVM_DRIVER,
    firecracker,
    jailer: findJailer(data.JAILER_BIN ?? data.TVM_JAILER, firecracker),
    hugePages: data.TVM_HUGE_PAGES !== 'off',
    diffSnapshots: data.TVM_DIFF_SNAPSHOTS === 'on',
    accelerator: data.TVM_ACCELERATOR,
    nodeName: data.TVM_NODE_NAME,
    limits: {
      cpus: data.TVM_CPUS ?? availableParallelism(),
      memoryMiB: data.TVM_MEMORY_MIB ?? Math.floor((totalmem() / mib) * defaultMemoryShare),
      machines: data.TVM_MACHINE_LIMIT,
      diskMiB: data.TVM_DISK_MIB ?? Math.floor(fileSystemMiB(paths.home) * defaultDiskShare),
    },
    bootTimeoutMs: data.TVM_BOOT_TIMEOUT_SECONDS * 1000,
    templates: data.TVM_TEMPLATES === 'on',
    suspendAfterMs: data.TVM_SUSPEND_AFTER_SECONDS * 1000,
    confinement: { mode: data.TVM_CONFINEMENT, users: data.TVM_UID_RANGE },
    networkCidr: data.TVM_NETWORK_CIDR,
    dnsServers: data.TVM_DNS_SERVERS,
    nodeAddresses: data.TVM_NODE_ADDRESSES,
    kernel: data.TVM_KERNEL,
    tlsFolder: data.TVM_TLS_DIR,
    healthListen: data.TVM_HEALTH_LISTEN === undefined ? undefined : parseListenAddress(data.TVM_HEALTH_LISTEN),
    metricsListen: data.TVM_METRICS_LISTEN === undefined ? undefined : parseListenAddress(data.TVM_METRICS_LISTEN),
    drainMs: data.TVM_DRAIN_SECONDS * 1000,
    logLevel: data.TVM_LOG_LEVEL,
    traceRatio: traceRatioOf(data),
    stateFolder: join(paths.home, 'flintlock'),
    cacheDir: paths.cache,
  };
}
