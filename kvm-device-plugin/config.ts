// What the environment says to the device plugin. The only reader of process.env here.
import { TvmError } from '@tvm/api/errors.ts';
import { type ListenAddress, parseListenAddress } from '@tvm/kit/listen.ts';
import { z } from 'zod';
import { kubeletPaths } from './kubelet/client.ts';
import { maxSocketPathBytes, newSocketName } from './kubelet/sockets.ts';

const absolute = z.string().regex(/^\//, 'must be an absolute path');

const environment = z.object({
  TVM_KUBELET_DIR: absolute.default('/var/lib/kubelet'),
  TVM_KVM_DEVICE: absolute.default('/dev/kvm'),
  TVM_KVM_PERMITS: z.coerce.number().int().min(1).max(1000).default(8),
  TVM_HOST_ROOT: absolute.default('/'),
  TVM_METRICS_LISTEN: z.string().default('127.0.0.1:8080'),
  TVM_HEALTH_LISTEN: z.string().default('127.0.0.1:8081'),
  TVM_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
});

export interface Config {
  /** Where the kubelet keeps its sockets (its --root-dir), as this process sees it. */
  kubeletFolder: string;
  /** The device's path on the host. */
  device: string;
  /** How many containers may hold the device at a time. */
  permits: number;
  /** Where this process sees the host's /dev: in a container below a mount, as /host for /host/dev. */
  hostRoot: string;
  metricsListen: ListenAddress;
  healthListen: ListenAddress;
  logLevel: string;
}

/** Throws TvmError invalid_argument that names the variable. */
export function readConfig(env: Record<string, string | undefined> = process.env): Config {
  const parsed = environment.safeParse(env);
  if (!parsed.success) throw new TvmError('invalid_argument', `environment: ${z.prettifyError(parsed.error)}`);
  const set = parsed.data;
  const socket = `${kubeletPaths(set.TVM_KUBELET_DIR).folder}/${newSocketName(0)}`;
  if (Buffer.byteLength(socket) > maxSocketPathBytes) {
    throw new TvmError('invalid_argument', `TVM_KUBELET_DIR: no socket can have a path as long as ${socket}`);
  }
  return {
    kubeletFolder: set.TVM_KUBELET_DIR,
    device: set.TVM_KVM_DEVICE,
    permits: set.TVM_KVM_PERMITS,
    hostRoot: set.TVM_HOST_ROOT,
    metricsListen: parseListenAddress(set.TVM_METRICS_LISTEN),
    healthListen: parseListenAddress(set.TVM_HEALTH_LISTEN),
    logLevel: set.TVM_LOG_LEVEL,
  };
}
