// What the environment says to flintlock. The only reader of process.env here.
import { availableParallelism, hostname, totalmem } from 'node:os';
import { join } from 'node:path';
import { TvmError } from '@tvm/api/errors.ts';
import { type ListenAddress, parseListenAddress } from '@tvm/kit/listen.ts';
import { pathsFrom } from '@tvm/kit/paths.ts';
import { z } from 'zod';

const defaultMemoryShare = 0.75;
const mib = 1024 * 1024;

const environment = z.object({
  TVM_FLINTLOCK_LISTEN: z.string().min(1).optional(),
  TVM_DRIVER: z.enum(['auto', 'firecracker', 'qemu', 'fake']).default('auto'),
  FIRECRACKER_BIN: z.string().min(1).optional(),
  TVM_ACCELERATOR: z.enum(['auto', 'kvm', 'tcg']).default('auto'),
  TVM_NODE_NAME: z.string().min(1).default(hostname()),
  TVM_MEMORY_MIB: z.coerce.number().int().positive().optional(),
  TVM_CPUS: z.coerce.number().int().positive().optional(),
  TVM_MACHINE_LIMIT: z.coerce.number().int().positive().default(4096),
  TVM_BOOT_TIMEOUT_SECONDS: z.coerce.number().positive().default(60),
  TVM_TEMPLATES: z.enum(['on', 'off']).default('on'),
  TVM_SUSPEND_AFTER_SECONDS: z.coerce.number().min(0).default(60),
  TVM_KERNEL: z.string().min(1).optional(),
  TVM_TLS_DIR: z.string().min(1).optional(),
  TVM_HEALTH_LISTEN: z.string().min(1).optional(),
  TVM_METRICS_LISTEN: z.string().min(1).optional(),
  TVM_DRAIN_SECONDS: z.coerce.number().min(0).default(0),
  TVM_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
});

export interface Config {
  listen: string;
  /** auto: Firecracker where it is installed and KVM is there, else QEMU. */
  driver: 'auto' | 'firecracker' | 'qemu' | 'fake';
  /** A path, or a name to look for in PATH. */
  firecracker: string;
  accelerator: 'auto' | 'kvm' | 'tcg';
  nodeName: string;
  limits: { cpus: number; memoryMiB: number; machines: number };
  bootTimeoutMs: number;
  /** False: machines always boot. */
  templates: boolean;
  /** How long a machine is paused before its memory goes to disk; 0: it never does. */
  suspendAfterMs: number;
  kernel: string | undefined;
  /** Certificates to serve with (tls.crt, tls.key, ca.crt); undefined: cleartext, for this host alone. */
  tlsFolder: string | undefined;
  /** Undefined: not served. */
  healthListen: ListenAddress | undefined;
  metricsListen: ListenAddress | undefined;
  /** How long machines may take to end when this process is told to; 0: they outlive it. */
  drainMs: number;
  logLevel: string;
  /** Absolute; everything that flintlock keeps is below it. */
  stateFolder: string;
  cacheDir: string;
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
  return {
    listen: data.TVM_FLINTLOCK_LISTEN ?? `unix:${join(paths.home, 'run/flintlock.sock')}`,
    driver: data.TVM_DRIVER,
    firecracker: data.FIRECRACKER_BIN ?? 'firecracker',
    accelerator: data.TVM_ACCELERATOR,
    nodeName: data.TVM_NODE_NAME,
    limits: {
      cpus: data.TVM_CPUS ?? availableParallelism(),
      memoryMiB: data.TVM_MEMORY_MIB ?? Math.floor((totalmem() / mib) * defaultMemoryShare),
      machines: data.TVM_MACHINE_LIMIT,
    },
    bootTimeoutMs: data.TVM_BOOT_TIMEOUT_SECONDS * 1000,
    templates: data.TVM_TEMPLATES === 'on',
    suspendAfterMs: data.TVM_SUSPEND_AFTER_SECONDS * 1000,
    kernel: data.TVM_KERNEL,
    tlsFolder: data.TVM_TLS_DIR,
    healthListen: data.TVM_HEALTH_LISTEN === undefined ? undefined : parseListenAddress(data.TVM_HEALTH_LISTEN),
    metricsListen: data.TVM_METRICS_LISTEN === undefined ? undefined : parseListenAddress(data.TVM_METRICS_LISTEN),
    drainMs: data.TVM_DRAIN_SECONDS * 1000,
    logLevel: data.TVM_LOG_LEVEL,
    stateFolder: join(paths.home, 'flintlock'),
    cacheDir: paths.cache,
  };
}
