// The kernel's source as Debian ships it: the newest linux-source package of the wanted series, unpacked into a folder.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { TvmError } from '@tvm/api/errors.ts';
import type { Progress } from '../contract.ts';
import { runChecked } from '../run-command.ts';

const sourcePackage = 'linux-source-6.12';
const downloadTimeoutMs = 30 * 60_000;

export interface KernelSource {
  dir: string;
  /** Of the package: `6.12.117-1~deb12u1`. */
  version: string;
}

/** The version that apt would download; `failed_precondition` when it knows none. */
export async function offeredSourceVersion(signal: AbortSignal): Promise<string> {
  const args = ['policy', sourcePackage];
  const result = await runChecked({ program: 'apt-cache', args, timeoutMs: 60_000, signal });
  const version = /^ {2}Candidate: ([0-9][\w.+~:-]*)$/m.exec(result.stdout.toString())?.[1];
  if (version) return version;
  throw new TvmError('failed_precondition', `apt on this host offers no ${sourcePackage}`, {
    reason: 'NoKernelSource',
    hint: 'Run apt-get update on Debian 12 or newer.',
  });
}

/** Downloads and unpacks that version into `folder`. */
export async function fetchKernelSource(
  version: string,
  folder: string,
  onProgress: Progress,
  signal: AbortSignal,
): Promise<KernelSource> {
  const run = (program: string, args: string[]) =>
    runChecked({ program, args, cwd: folder, timeoutMs: downloadTimeoutMs, signal });
  onProgress(`downloading ${sourcePackage}`);
  await run('apt-get', ['-q', '-o', 'APT::Sandbox::User=root', 'download', `${sourcePackage}=${version}`]);
  onProgress('unpacking the source');
  const debFile = await onlyMatch(folder, /\.deb$/);
  await run('dpkg-deb', ['-x', debFile, join(folder, 'package')]);
  const archive = await onlyMatch(join(folder, 'package/usr/src'), /^linux-source-.*\.tar\.xz$/);
  await run('tar', ['-xf', archive]);
  return { dir: await onlyMatch(folder, /^linux-source-[\d.]+$/), version };
}

async function onlyMatch(folder: string, pattern: RegExp): Promise<string> {
  const name = (await readdir(folder)).find((candidate) => pattern.test(candidate));
  if (!name) throw new TvmError('data_loss', `the source package holds nothing like ${pattern.source}`);
  return join(folder, name);
}
