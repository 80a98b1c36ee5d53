// Settings of the API server from the environment.
import { join } from 'node:path';
import { TvmError } from '@tvm/api/errors.ts';
import { pathsFrom } from '@tvm/kit/paths.ts';
import { z } from 'zod';

const environment = z.object({
  TVM_APISERVER_LISTEN: z
    .string()
    .regex(/^(\[[0-9a-f:]+\]|[\w.-]+):\d{1,5}$/i, 'must be HOST:PORT')
    .default('127.0.0.1:6443'),
  TVM_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
});

export interface ApiServerConfig {
  host: string;
  port: number;
  logLevel: string;
  /** Database, certificates, token and kubeconfig. */
  folder: string;
}

/** Throws TvmError `invalid_argument` that names the variable. */
export function readConfig(env: NodeJS.ProcessEnv = process.env): ApiServerConfig {
  const parsed = environment.safeParse(env);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new TvmError('invalid_argument', `${issue?.path.join('.')}: ${issue?.message}`);
  }
  const { TVM_APISERVER_LISTEN: listen, TVM_LOG_LEVEL: logLevel } = parsed.data;
  const colon = listen.lastIndexOf(':');
  const port = Number(listen.slice(colon + 1));
  if (port > 65_535) throw new TvmError('invalid_argument', `TVM_APISERVER_LISTEN: there is no port ${port}`);
  const host = listen.slice(0, colon).replace(/^\[|\]$/g, '');
  return { host, port, logLevel, folder: join(pathsFrom(env).home, 'apiserver') };
}
