// Debian's ready-made cloud kernel, taken out of its package into the cache: a first run need not wait for a build.
// Invariant: the package is never installed on the host.
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { TvmError } from '@tvm/api/errors.ts';
import type { Cache } from '../cache.ts';
import type { Progress } from '../contract.ts';
import { withFreshAptLists } from '../debian/fresh-apt-lists.ts';
import { keyOf } from '../digest.ts';
import { runChecked, runCommand } from '../run-command.ts';
import { requireTool } from '../tools.ts';
import { type Kernel, modulesFolder, namesIn, readKernel, vmlinuxFile, writeKernelDescription } from './kernel.ts';
import { guestModules, loadOrder, moduleDependencies, moduleName } from './modules.ts';
import { vmlinuxOf } from './vmlinux.ts';

const downloadTimeoutMs = 15 * 60_000;
const unpackTimeoutMs = 5 * 60_000;
// Below 6.12 nothing has been tried.
const oldestVersion = '6.12';
const keyLength = 8;

export interface CloudKernelOptions {
  /** Where it is kept in the cache, beside others with other modules. */
  folder: string;
  /** Names as in lsmod; what they depend on comes with them. */
  modules: string[];
}

const forGuests: CloudKernelOptions = { folder: 'cloud', modules: guestModules };

/** The cloud kernel in the cache, or the newest one that the host's apt offers. */
export async function ensureCloudKernel(
  cache: Cache,
  onProgress: Progress,
  signal: AbortSignal,
  { folder: purpose, modules }: CloudKernelOptions = forGuests,
): Promise<Kernel> {
  // One that was taken apart for fewer modules is not enough.
  const folder = `${purpose}-${keyOf(...modules).slice(0, keyLength)}`;
  const cached = (await namesIn(cache.path('kernels', folder))).at(-1);
  if (cached) return await readKernel(cache.path('kernels', folder, cached));
  await using staging = await cache.staging();
  await using scratch = await cache.staging();
  const debFile = await withFreshAptLists(onProgress, signal, async () => {
    const packageName = newestCloudKernel(await aptPackageNames(signal));
    if (!packageName) throw noCloudKernel();
    onProgress(`downloading ${packageName}`);
    return await download(packageName, scratch.path, signal);
  });
  onProgress('unpacking');
  const unpacked = join(scratch.path, 'unpacked');
  await runChecked({ program: 'dpkg-deb', args: ['-x', debFile, unpacked], timeoutMs: unpackTimeoutMs, signal });
  const version = await takeApart(unpacked, staging.path, modules, signal);
  return await readKernel(await cache.publish(staging, 'kernels', folder, version));
}

/** The newest signed cloud kernel of at least the oldest version among package names. Exported for its test. */
export function newestCloudKernel(names: string[]): string | undefined {
  const pattern = /^linux-image-(\d+\.\d+[^ ]*)-cloud-amd64$/;
  const byNumber = (a: string, b: string) => a.localeCompare(b, 'en', { numeric: true });
  return names
    .filter((name) => byNumber(pattern.exec(name)?.[1] ?? '0', oldestVersion) > 0)
    .sort(byNumber)
    .at(-1);
}

async function aptPackageNames(signal: AbortSignal): Promise<string[]> {
  const args = ['pkgnames', 'linux-image-'];
  const result = await runChecked({ program: 'apt-cache', args, timeoutMs: 60_000, signal });
  return result.stdout.toString().split('\n');
}

async function download(packageName: string, folder: string, signal: AbortSignal): Promise<string> {
  const result = await runCommand({
    program: 'apt-get',
    // As root apt would give the download to its own user, who may not enter the cache.
    args: ['-q', '-o', 'APT::Sandbox::User=root', 'download', packageName],
    cwd: folder,
    timeoutMs: downloadTimeoutMs,
    signal,
  });
  const file = (await readdir(folder)).find((name) => name.endsWith('.deb'));
  if (result.exitCode === 0 && file) return join(folder, file);
  throw new TvmError('unavailable', `downloading ${packageName} failed: ${result.stderr.trim().split('\n').at(-1)}`, {
    reason: 'KernelUnavailable',
    hint: 'Check that apt-get update works on this host (network, proxy, mirror).',
  });
}

/** Writes vmlinux, the modules and the description into `target`; returns the version. */
async function takeApart(unpacked: string, target: string, modules: string[], signal: AbortSignal): Promise<string> {
  const boot = join(unpacked, 'boot');
  const imageName = (await readdir(boot)).find((name) => name.startsWith('vmlinuz-'));
  if (!imageName) throw new TvmError('data_loss', 'the kernel package holds no vmlinuz');
  const version = imageName.slice('vmlinuz-'.length);
  const elf = await vmlinuxOf(await readFile(join(boot, imageName)), async (packed) => {
    const file = join(unpacked, 'payload.xz');
    await writeFile(file, packed);
    return await unxz(file, join(unpacked, 'payload'), signal);
  });
  await writeFile(join(target, vmlinuxFile), elf);
  await writeModules(unpacked, join(target, modulesFolder), modules, signal);
  await writeKernelDescription(target, { version, needsAcpi: true, kernelArgs: ['apparmor=0', 'audit=0'] });
  return version;
}

async function writeModules(unpacked: string, target: string, wanted: string[], signal: AbortSignal): Promise<void> {
  const libFolder = await firstExisting([join(unpacked, 'lib/modules'), join(unpacked, 'usr/lib/modules')]);
  const files = (await readdir(libFolder, { recursive: true })).filter((name) => /\.ko(\.(xz|zst))?$/.test(name));
  const fileOf = new Map(files.map((name) => [moduleName(name), join(libFolder, name)]));
  const objects = new Map<string, Buffer>();
  const pending = [...wanted];
  for (let name = pending.pop(); name; name = pending.pop()) {
    const file = fileOf.get(name);
    if (!file || objects.has(name)) continue;
    const object = await readModule(file, join(unpacked, 'module.ko'), signal);
    objects.set(name, object);
    pending.push(...moduleDependencies(object));
  }
  const order = loadOrder(wanted, (name) => {
    const object = objects.get(name);
    return object && moduleDependencies(object);
  });
  await mkdir(target);
  for (const [index, name] of order.entries()) {
    const fileName = `${String(index).padStart(2, '0')}-${name}.ko`;
    await writeFile(join(target, fileName), objects.get(name) ?? '');
  }
}

async function readModule(file: string, scratchFile: string, signal: AbortSignal): Promise<Buffer> {
  if (file.endsWith('.xz')) return await unxz(file, scratchFile, signal);
  const content = await readFile(file);
  return file.endsWith('.zst') ? zstdDecompressSync(content) : content;
}

async function unxz(file: string, output: string, signal: AbortSignal): Promise<Buffer> {
  requireTool('xz');
  const script = 'xz -dc -- "$1" > "$2"';
  await runChecked({ program: 'sh', args: ['-c', script, 'sh', file, output], timeoutMs: unpackTimeoutMs, signal });
  return await readFile(output);
}

async function firstExisting(folders: string[]): Promise<string> {
  for (const folder of folders) if ((await namesIn(folder)).length > 0) return folder;
  throw new TvmError('data_loss', 'the kernel package holds no modules');
}

function noCloudKernel(): TvmError {
  return new TvmError('failed_precondition', `apt on this host offers no cloud kernel of ${oldestVersion} or newer`, {
    reason: 'NoKernel',
    hint: 'Run apt-get update, or build the kernel (vvm image build-kernel), or name one with TVM_KERNEL.',
  });
}
