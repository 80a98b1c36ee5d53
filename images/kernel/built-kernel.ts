// Builds the project's own kernel from Debian's source package. Invariant: a built kernel is found by the configuration that it was
// built from, so that a change of guest.config never meets an old kernel.
import { cp, readFile, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TvmError } from '@tvm/api/errors.ts';
import type { Cache } from '../cache.ts';
import type { Progress } from '../contract.ts';
import { withFreshAptLists } from '../debian/fresh-apt-lists.ts';
import { keyOf } from '../digest.ts';
import { runChecked, runCommand } from '../run-command.ts';
import { ensureBuildPackages } from './build-packages.ts';
import { type Kernel, namesIn, readKernel, vmlinuxFile, writeKernelDescription } from './kernel.ts';
import { fetchKernelSource, offeredSourceVersion } from './kernel-source.ts';

const configPath = fileURLToPath(new URL('./guest.config', import.meta.url));
const configureTimeoutMs = 10 * 60_000;
const buildTimeoutMs = 4 * 60 * 60_000;
// Fixed, so that equal sources give equal kernels.
const buildIdentity = { KBUILD_BUILD_TIMESTAMP: '2025-01-01', KBUILD_BUILD_USER: 'tvm', KBUILD_BUILD_HOST: 'tvm' };

/** The newest kernel in the cache that was built from the present configuration. */
export async function findBuiltKernel(cache: Cache): Promise<Kernel | undefined> {
  const folder = await builtFolder();
  const newest = (await namesIn(cache.path(...folder))).at(-1);
  return newest ? await readKernel(cache.path(...folder, newest)) : undefined;
}

/** Builds the newest source that apt offers, unless the cache has that already. Installs
 * the build's Debian packages when they are missing and this is root. */
export async function buildGuestKernel(cache: Cache, onProgress: Progress, signal: AbortSignal): Promise<Kernel> {
  return await cache.locked('kernel-build', signal, async () => {
    const version = await withFreshAptLists(onProgress, signal, () => offeredSourceVersion(signal));
    const folder = await builtFolder();
    const present = (await namesIn(cache.path(...folder))).includes(version);
    if (!present) {
      await ensureBuildPackages(onProgress, signal);
      await using scratch = await cache.staging();
      await using staging = await cache.staging();
      const source = await fetchKernelSource(version, scratch.path, onProgress, signal);
      await build(
        { sourceDir: source.dir, outputDir: join(scratch.path, 'output'), target: staging.path },
        onProgress,
        signal,
      );
      await cache.publish(staging, ...folder, version);
    }
    return await readKernel(cache.path(...folder, version));
  });
}

async function builtFolder(): Promise<string[]> {
  return ['kernels', 'built', keyOf(await readFile(configPath))];
}

interface BuildFolders {
  sourceDir: string;
  outputDir: string;
  target: string;
}

async function build(folders: BuildFolders, onProgress: Progress, signal: AbortSignal): Promise<void> {
  onProgress('configuring');
  const make = (args: string[], timeoutMs: number, onLine?: (line: string) => void) =>
    runCommand({
      program: 'make',
      args: ['-C', folders.sourceDir, `O=${folders.outputDir}`, ...args],
      env: buildIdentity,
      timeoutMs,
      signal,
      ...(onLine ? { onLine } : {}),
    }).then(requireSuccess);
  await cp(configPath, join(folders.target, 'guest.config'));
  await make([`KCONFIG_ALLCONFIG=${configPath}`, 'allnoconfig'], configureTimeoutMs);
  const dropped = droppedSettings(
    await readFile(configPath, 'utf8'),
    await readFile(join(folders.outputDir, '.config'), 'utf8'),
  );
  if (dropped.length > 0) onProgress(`settings that this source does not know or allow: ${dropped.join(' ')}`);
  let objects = 0;
  await make([`-j${availableParallelism()}`, 'vmlinux'], buildTimeoutMs, (line) => {
    if (/^\s+(CC|AS)\s/.test(line) && ++objects % 50 === 1) onProgress(`compiling, ${objects} objects`);
  });
  await strip(folders, signal);
  const release = await readFile(join(folders.outputDir, 'include/config/kernel.release'), 'utf8');
  await writeKernelDescription(folders.target, { version: release.trim(), needsAcpi: false, kernelArgs: [] });
  await writeFile(join(folders.target, 'dropped-settings'), dropped.map((line) => `${line}\n`).join(''));
}

async function strip({ outputDir, target }: BuildFolders, signal: AbortSignal): Promise<void> {
  const args = ['--strip-all', join(outputDir, 'vmlinux'), join(target, vmlinuxFile)];
  await runChecked({ program: 'objcopy', args, timeoutMs: configureTimeoutMs, signal });
}

/** Lines of the fragment that kconfig did not keep. Exported for its test. */
export function droppedSettings(fragment: string, config: string): string[] {
  const kept = new Set(config.split('\n'));
  const wanted = fragment.split('\n').filter((line) => /^CONFIG_\w+=/.test(line));
  return wanted.filter((line) => !kept.has(line));
}

function requireSuccess(result: { exitCode: number; stderr: string }): void {
  if (result.exitCode === 0) return;
  throw new TvmError(
    'internal',
    `building the kernel failed: ${result.stderr.trim().split('\n').slice(-8).join('\n')}`,
    {
      reason: 'KernelBuildFailed',
      hint: 'The build needs: apt-get install build-essential flex bison bc libelf-dev libssl-dev',
    },
  );
}
