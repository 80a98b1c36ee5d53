// Programs in Rust, built from their crates and kept by the hash of their sources.
import { copyFile, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TvmError } from '@tvm/api/errors.ts';
import type { Cache } from './cache.ts';
import type { Progress } from './contract.ts';
import { fileVersion, keyOf } from './digest.ts';
import { runCommand } from './run-command.ts';
import { findTool } from './tools.ts';

const buildTimeoutMs = 20 * 60_000;
const releaseFolder = 'x86_64-unknown-linux-gnu/release';

export interface RustProgram {
  /** Of the crate. */
  folder: string;
  /** Of the binary. */
  name: string;
  /** What messages call it: "the guest agent". */
  title: string;
  /** Where the cache has what is built. */
  cacheFolder: string;
}

/** Gives the path of the program's static binary for these sources. Rust's `cargo` is needed when the cache has none. */
export type EnsureProgram = (onProgress: Progress, signal: AbortSignal) => Promise<string>;

export function makeRustProgram(cache: Cache, program: RustProgram): EnsureProgram {
  const source: Source = { program, known: undefined };
  return (onProgress, signal) => ensureProgram(cache, source, onProgress, signal);
}

/** The crate, and the key of its files as they were last seen. */
interface Source {
  program: RustProgram;
  known: { versions: string; key: string } | undefined;
}

async function ensureProgram(cache: Cache, source: Source, onProgress: Progress, signal: AbortSignal): Promise<string> {
  const { program } = source;
  const { name, cacheFolder } = program;
  const key = await sourceKey(source);
  const published = cache.path(cacheFolder, key, name);
  if (await isPresent(published)) return published;
  const built = await cache.locked(cacheFolder, signal, async () => {
    if (await isPresent(published)) return published;
    const targetDir = cache.path(`${cacheFolder}-build`);
    await build(program, targetDir, onProgress, signal);
    if ((await sourceKey(source)) !== key) return undefined;
    await using staging = await cache.staging();
    await copyFile(join(targetDir, releaseFolder, name), join(staging.path, name));
    return join(await cache.publish(staging, cacheFolder, key), name);
  });
  // Sources edited while they were compiled: what came out belongs to no key.
  return built ?? (await ensureProgram(cache, source, onProgress, signal));
}

async function build(
  { folder, title }: RustProgram,
  targetDir: string,
  onProgress: Progress,
  signal: AbortSignal,
): Promise<void> {
  onProgress(`compiling ${title}`);
  const result = await runCommand({
    program: requireCargo(title),
    args: ['build', '--release', '--locked'],
    // cargo finds the crate's own settings (static linking) by its working folder.
    cwd: folder,
    env: { CARGO_TARGET_DIR: targetDir, CARGO_TERM_COLOR: 'never' },
    timeoutMs: buildTimeoutMs,
    signal,
    onLine: (line) => {
      const crate = /^\s*(Compiling|Downloaded) (\S+)/.exec(line)?.[2];
      if (crate) onProgress(`compiling ${title}: ${crate}`);
    },
  });
  if (result.exitCode === 0) return;
  throw new TvmError(
    'internal',
    `compiling ${title} failed: ${result.stderr.trim().split('\n').slice(-8).join('\n')}`,
    {
      reason: 'BuildFailed',
      hint: 'It needs Rust 1.90 or newer with a C linker; scripts/setup.sh installs both.',
    },
  );
}

function requireCargo(title: string): string {
  const cargo = findTool('cargo');
  if (cargo) return cargo;
  throw new TvmError('failed_precondition', `Rust (cargo) is not installed, so ${title} cannot be compiled`, {
    reason: 'ToolMissing',
    hint: 'Run scripts/setup.sh, or on Debian: apt-get install cargo-web gcc libc6-dev',
  });
}

/** A hash over all that goes into the binary; the files are read only when one of them changed. */
async function sourceKey(source: Source): Promise<string> {
  const paths = await sourcePaths(source.program.folder);
  const seen = await Promise.all(paths.map(async (path) => `${path} ${await fileVersion(path).catch(() => '')}`));
  const versions = seen.join('\n');
  if (source.known?.versions !== versions) {
    const contents = await Promise.all(
      paths.map(async (path) => [path.slice(source.program.folder.length), await readOptional(path)]),
    );
    source.known = { versions, key: keyOf(...contents.flat()) };
  }
  return source.known.key;
}

async function sourcePaths(sourceDir: string): Promise<string[]> {
  const sources = await readdir(join(sourceDir, 'src'), { recursive: true, withFileTypes: true });
  const paths = sources.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const settings = ['Cargo.toml', 'Cargo.lock', '.cargo/config.toml', 'build.rs'].map((name) => join(sourceDir, name));
  return [...paths.sort(), ...settings];
}

async function readOptional(path: string): Promise<string> {
  return await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
}

async function isPresent(path: string): Promise<boolean> {
  return (await readOptional(path)) !== '';
}
