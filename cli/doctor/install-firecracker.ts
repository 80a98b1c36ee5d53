// Installs the pinned release of Firecracker and its jailer into the cache. Invariant: nothing of an archive is unpacked or run
// before its checksum was compared; what is under its final name is whole.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { chmod, lstat, mkdir, mkdtemp, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { TvmError } from '@tvm/api/errors.ts';
import { firecrackerFolder } from '@tvm/kit/firecracker-release.ts';

export interface FirecrackerRelease {
  version: string;
  baseUrl: string;
  sha256: string;
  sizeBytes: number;
}

export interface InstallDeps {
  release: FirecrackerRelease;
  cacheDir: string;
  say: (message: string) => void;
  /** How long the server may be silent. */
  idleMs?: number;
}

const programs = ['firecracker', 'jailer'] as const;
const patienceMs = 30_000;
const mib = 1024 * 1024;

/**
 * The folder with `firecracker` and `jailer`. Throws `unavailable` (no connection, or it ended early), `not_found` and
 * `data_loss` (the archive is not the one that is pinned), `failed_precondition` (the programs do not run here).
 */
export async function installFirecracker(deps: InstallDeps): Promise<string> {
  const { release, cacheDir, say } = deps;
  const folder = firecrackerFolder(cacheDir);
  if (await isInstalled(folder)) return folder;
  await mkdir(dirname(folder), { recursive: true });
  const staging = await mkdtemp(join(dirname(folder), '.new-'));
  try {
    const archive = join(staging, 'archive.tgz');
    await download(deps, archive);
    say(`unpacking Firecracker ${release.version}`);
    const unpacked = join(staging, 'unpacked');
    await unpack(archive, unpacked, release.version);
    await chmod(unpacked, 0o755);
    await rename(unpacked, folder).catch(async (error) => {
      // Another run was faster.
      if (!(await isInstalled(folder))) throw error;
    });
    return folder;
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

async function isInstalled(folder: string): Promise<boolean> {
  const found = await Promise.all(programs.map((name) => stat(join(folder, name)).catch(() => undefined)));
  return found.every((entry) => entry?.isFile());
}

function archiveUrl({ baseUrl, version }: FirecrackerRelease): string {
  return `${baseUrl}/v${version}/firecracker-v${version}-x86_64.tgz`;
}

async function download({ release, say, idleMs = patienceMs }: InstallDeps, target: string): Promise<void> {
  const url = archiveUrl(release);
  const idle = new AbortController();
  const timer = setTimeout(() => idle.abort(new Error(`nothing came for ${idleMs / 1000} s`)), idleMs);
  const hash = createHash('sha256');
  let bytes = 0;
  try {
    const response = await fetch(url, { signal: idle.signal });
    if (!response.ok || !response.body) throw refused(url, response.status);
    const counted = async function* (source: AsyncIterable<Uint8Array>) {
      for await (const data of source) {
        timer.refresh();
        bytes += data.length;
        if (bytes > release.sizeBytes) throw notTheArchive(url, `it is larger than ${release.sizeBytes} bytes`);
        hash.update(data);
        const tenths = Math.floor((bytes / release.sizeBytes) * 10);
        say(`downloading Firecracker ${release.version} (${inMib(release.sizeBytes)} MiB): ${tenths * 10}%`);
        yield data;
      }
    };
    await pipeline(response.body, counted, createWriteStream(target, { flags: 'wx', mode: 0o600 }));
  } catch (cause) {
    throw cause instanceof TvmError ? cause : unreachable(url, cause);
  } finally {
    clearTimeout(timer);
  }
  if (bytes < release.sizeBytes) throw notTheArchive(url, `it ends after ${bytes} of ${release.sizeBytes} bytes`);
  const sha256 = hash.digest('hex');
  if (sha256 !== release.sha256) throw notTheArchive(url, `its SHA-256 is ${sha256}, wanted is ${release.sha256}`);
}

/** Two members alone, by their names. */
async function unpack(archive: string, folder: string, version: string): Promise<void> {
  await mkdir(folder, { mode: 0o700 });
  const memberOf = (name: string) => `release-v${version}-x86_64/${name}-v${version}-x86_64`;
  const options = ['--no-same-owner', '--no-same-permissions', '--strip-components=1', '--file', archive];
  try {
    await promisify(execFile)('tar', [
      '--extract',
      '--gzip',
      ...options,
      '--directory',
      folder,
      ...programs.map(memberOf),
    ]);
  } catch (cause) {
    throw new TvmError('data_loss', `the archive of Firecracker ${version} cannot be unpacked: ${tail(cause)}`, {
      cause,
    });
  }
  for (const name of programs) {
    const path = join(folder, name);
    await rename(join(folder, `${name}-v${version}-x86_64`), path);
    if (!(await lstat(path)).isFile()) throw new TvmError('data_loss', `${name} in the archive is no file`);
    await chmod(path, 0o755);
    await promisify(execFile)(path, ['--version']).catch((cause) => {
      throw new TvmError('failed_precondition', `the installed ${name} does not run here: ${tail(cause)}`, { cause });
    });
  }
}

function tail(cause: unknown): string {
  const { stderr, message } = cause as { stderr?: string; message?: string };
  return (stderr?.trim() || message || String(cause)).slice(-500);
}

function inMib(bytes: number): string {
  return (bytes / mib).toFixed(1);
}

function refused(url: string, status: number): TvmError {
  const code = status === 404 ? 'not_found' : 'unavailable';
  return new TvmError(code, `${url} cannot be had: the server answers ${status}`, { hint: mirrorHint });
}

function unreachable(url: string, cause: unknown): TvmError {
  const { cause: inner, message } = cause as Error;
  const why = inner instanceof Error ? inner.message : message;
  return new TvmError('unavailable', `${url} cannot be reached: ${why}`, { cause, hint: mirrorHint });
}

function notTheArchive(url: string, why: string): TvmError {
  const hint = 'Nothing was installed. Try again; a proxy or mirror on the way may have changed it.';
  return new TvmError('data_loss', `${url} is not the archive that is pinned: ${why}`, { hint });
}

const mirrorHint =
  'Without a network: set TVM_FIRECRACKER_URL to a mirror of the releases, or FIRECRACKER_BIN and JAILER_BIN to programs.';
