// The command's settings: what the environment says, checked. The only file of the command that reads the environment.
import { readFileSync } from 'node:fs';
import { hostname, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TvmError } from '@tvm/api/errors.ts';
import { firecrackerRelease } from '@tvm/kit/firecracker-release.ts';
import { pathsFrom } from '@tvm/kit/paths.ts';

export interface Config {
  /** State of this installation. */
  home: string;
  /** What can be made again. */
  cache: string;
  /** The checkout: where the parts of the service are. */
  source: string;
  /** A server elsewhere, with its token, instead of this machine's service (TVM_SERVER, TVM_TOKEN or TVM_TOKEN_FILE). */
  remote?: { url: string; token: string; remote: true };
  /** Where releases of Firecracker are (TVM_FIRECRACKER_URL): a mirror has the same layout. */
  firecrackerUrl: string;
  nodeName: string;
  userName: string;
  listen: { apiserver: string; flintlock: string; lime: string; metrics: string; health: string };
  /** What started programs inherit. */
  environment: NodeJS.ProcessEnv;
}

export type Environment = Record<string, string | undefined>;

/** Throws TvmError invalid_argument for settings that contradict each other. */
export function readConfig(environment: Environment = process.env): Config {
  const paths = pathsFrom(environment);
  const remote = remoteFrom(environment);
  return {
    home: resolve(paths.home),
    cache: resolve(paths.cache),
    source: fileURLToPath(new URL('..', import.meta.url)),
    ...(remote && { remote }),
    firecrackerUrl: (environment.TVM_FIRECRACKER_URL || firecrackerRelease.baseUrl).replace(/\/+$/, ''),
    nodeName: environment.TVM_NODE_NAME || hostname(),
    userName: ownName(),
    listen: {
      apiserver: environment.TVM_APISERVER_LISTEN || '127.0.0.1:6443',
      flintlock: environment.TVM_FLINTLOCK_LISTEN || `unix:${join(resolve(paths.home), 'run/flintlock.sock')}`,
      lime: environment.TVM_LIME_LISTEN || '127.0.0.1:8082',
      metrics: environment.TVM_METRICS_LISTEN || '127.0.0.1:8080',
      health: environment.TVM_HEALTH_LISTEN || '127.0.0.1:8081',
    },
    environment,
  };
}

/** A container may be run as a user that its passwd does not have. */
function ownName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid-${process.getuid?.()}`;
  }
}

/** Where node keeps compiled code between runs, which halves the time to start. */
export function compileCacheFolder(environment: Environment = process.env): string {
  return join(pathsFrom(environment).cache, 'compile-cache');
}

function remoteFrom(environment: Environment): Config['remote'] {
  const { TVM_SERVER: url, TVM_TOKEN: token } = environment;
  if (!url) return undefined;
  if (!/^https?:\/\/[^/]/.test(url)) {
    throw new TvmError('invalid_argument', `TVM_SERVER is "${url}"`, { hint: 'Set it to a URL: https://HOST:PORT.' });
  }
  return { remote: true, url: url.replace(/\/+$/, ''), token: token || tokenIn(environment.TVM_TOKEN_FILE) };
}

function tokenIn(path: string | undefined): string {
  const hint = 'In a cluster: export TVM_TOKEN=$(kubectl create token SERVICEACCOUNT), or TVM_TOKEN_FILE=/PATH.';
  if (!path) throw new TvmError('invalid_argument', 'TVM_SERVER is set, TVM_TOKEN is not', { hint });
  try {
    const token = readFileSync(path, 'utf8').trim();
    if (token !== '') return token;
  } catch (cause) {
    throw new TvmError('invalid_argument', 'TVM_TOKEN_FILE cannot be read', { cause, hint });
  }
  throw new TvmError('invalid_argument', `TVM_TOKEN_FILE: ${path} is empty`, { hint });
}
