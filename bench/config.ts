// The benchmark's settings from the environment: the same cache and kernel as the product's.
import { tmpdir } from 'node:os';
import { pathsFrom } from '@tvm/kit/paths.ts';

export interface Config {
  cacheDir: string;
  kernel: string | undefined;
  accelerator: 'auto' | 'kvm' | 'tcg';
  /** Everything that a run makes goes below it. */
  temporary: string;
  path: string;
  /** Of the services, but for what they are given. */
  environment: NodeJS.ProcessEnv;
}

/** Throws an Error that names the variable. */
export function readConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const { TVM_ACCELERATOR: accelerator = 'auto' } = env;
  if (accelerator !== 'auto' && accelerator !== 'kvm' && accelerator !== 'tcg')
    throw new Error(`TVM_ACCELERATOR is "${accelerator}": auto, kvm or tcg`);
  return {
    cacheDir: pathsFrom(env).cache,
    kernel: env.TVM_KERNEL,
    accelerator,
    temporary: tmpdir(),
    path: env.PATH ?? '',
    environment: env,
  };
}
