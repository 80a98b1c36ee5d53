// Which kernel guests get: a configured file, else the newest built by the project's configuration, else Debian's cloud kernel.
import { readFile } from 'node:fs/promises';
import { TvmError } from '@tvm/api/errors.ts';
import type { Cache } from '../cache.ts';
import type { Progress } from '../contract.ts';
import { makeFileMemo } from '../digest.ts';
import { findBuiltKernel } from './built-kernel.ts';
import { ensureCloudKernel } from './cloud-kernel.ts';
import type { Kernel } from './kernel.ts';

export function makeKernelChoice(
  cache: Cache,
  configuredPath: string | undefined,
): (onProgress: Progress, signal: AbortSignal) => Promise<Kernel> {
  const readConfigured = makeFileMemo(configuredKernel);
  return async (onProgress, signal) => {
    if (configuredPath) {
      return await readConfigured(configuredPath).catch((cause) => {
        if (cause instanceof TvmError) throw cause;
        throw unusable(configuredPath, `it cannot be read (${cause.code})`, cause);
      });
    }
    const built = await findBuiltKernel(cache);
    if (built) return built;
    return await cache.locked('cloud-kernel', signal, () => ensureCloudKernel(cache, onProgress, signal));
  };
}

async function configuredKernel(path: string): Promise<Kernel> {
  const image = await readFile(path);
  if (image.toString('latin1', 0, 4) !== '\x7fELF') throw unusable(path, 'it is not an ELF file (vmlinux)');
  // The option's name is in the kernel only if devices can be named on the command line.
  const needsAcpi = !image.includes('virtio_mmio.device');
  return { version: versionIn(image), vmlinuxPath: path, modulePaths: [], needsAcpi, kernelArgs: [] };
}

function versionIn(image: Buffer): string {
  const start = image.indexOf('Linux version ');
  const banner = start < 0 ? '' : image.toString('latin1', start, start + 200);
  return /^Linux version (\S+)/.exec(banner)?.[1] ?? 'unknown';
}

function unusable(path: string, why: string, cause?: unknown): TvmError {
  return new TvmError('failed_precondition', `the configured kernel ${path} cannot be used: ${why}`, {
    cause,
    reason: 'KernelUnusable',
    hint: 'TVM_KERNEL must name an uncompressed x86-64 vmlinux; without it the store brings its own kernel.',
  });
}
