// Whether guests run under KVM here. /dev/kvm alone says little: on some hosts an ordinary guest hangs on it. So one is booted.
// Invariant: the answer is kept on disk and asked again only when host kernel, VMM or processor change; a failure also after a day.
import { constants } from 'node:fs';
import { access, mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { cpus, release } from 'node:os';
import { dirname } from 'node:path';
import { z } from 'zod';

/** `failure`: why no guest runs; empty: they do. */
const cached = z.strictObject({ key: z.string(), failure: z.string() });

export const kvmProbeDeadlineMs = 6000;
/** It may have been an accident of a host that was busy, or out of memory. */
const failureBelievedMs = 24 * 3_600_000;
const mostQuoted = 200;
export const kvmPath = '/dev/kvm';

export interface KvmProbeDeps {
  /** Name and version of the VMM. */
  vmm: string;
  cachePath: string;
}

/** What is known without booting anything: why no guest runs, or '' when they do; undefined when that has to be tried. */
export async function knownKvmFailure(deps: KvmProbeDeps): Promise<string | undefined> {
  const missing = await access(kvmPath, constants.R_OK | constants.W_OK).then(
    () => undefined,
    (error: NodeJS.ErrnoException) => error,
  );
  if (missing?.code === 'ENOENT') return `${kvmPath} does not exist`;
  if (missing) return `${kvmPath} may not be used by this user (${missing.code})`;
  return await keptKvmFailure(deps);
}

export async function keepKvmFailure(deps: KvmProbeDeps, failure: string): Promise<void> {
  await mkdir(dirname(deps.cachePath), { recursive: true, mode: 0o700 });
  await writeFile(`${deps.cachePath}.new`, JSON.stringify({ key: keyOf(deps), failure }));
  await rename(`${deps.cachePath}.new`, deps.cachePath);
}

/** The failure of a boot without a root disk, whose kernel must panic and with that end the VMM. */
export function failureOfBoot(
  error: { killed?: boolean; message: string } | null,
  stdout: string,
  said: string,
): string {
  if (error?.killed) return `a guest hangs under ${kvmPath} (no end of its boot within ${kvmProbeDeadlineMs / 1000} s)`;
  if (stdout.includes('Kernel panic')) return '';
  if (error) return `it cannot use ${kvmPath}: ${said.trim().split('\n')[0] || error.message}`;
  const last = stdout.trim().split('\n').at(-1)?.trim().slice(0, mostQuoted);
  return `a guest ends early under ${kvmPath}${last ? `; its last line: ${last}` : ''}`;
}

function keyOf({ vmm }: KvmProbeDeps): string {
  return `${release()} / ${vmm} / ${cpus()[0]?.model ?? 'unknown'}`;
}

/** What a probe found; undefined: there was none that still counts. */
export async function keptKvmFailure(deps: KvmProbeDeps): Promise<string | undefined> {
  try {
    const { key, failure } = cached.parse(JSON.parse(await readFile(deps.cachePath, 'utf8')));
    const ageMs = Date.now() - (await stat(deps.cachePath)).mtimeMs;
    return key === keyOf(deps) && (failure === '' || ageMs < failureBelievedMs) ? failure : undefined;
  } catch {
    return undefined;
  }
}
