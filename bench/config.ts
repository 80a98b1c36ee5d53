// The benchmark's settings, from the environment: the same cache and kernel as the product's.
import { pathsFrom } from '@tvm/kit/paths.ts';

export function readConfig(env: Record<string, string | undefined> = process.env): {
  cacheDir: string;
  kernel: string | undefined;
} {
  return { cacheDir: pathsFrom(env).cache, kernel: env.TVM_KERNEL };
}
