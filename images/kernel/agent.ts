// The guest agent's binary, built from its Rust crate and kept by the hash of its sources.
import { copyFile, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TvmError } from '@tvm/api/errors.ts';
import type { Cache } from '../cache.ts';
import type { Progress } from '../contract.ts';
import { fileVersion, keyOf } from '../digest.ts';
import { runCommand } from '../run-command.ts';
import { findTool } from '../tools.ts';

const buildTimeoutMs = 20 * 60_000;
const builtBinary = 'x86_64-unknown-linux-gnu/release/tvm-agent';
const binaryFile = 'tvm-agent';

/** Gives the path of the agent's static binary for these sources. Rust's `cargo` is needed when the cache has none. */
export function makeAgents(
  cache: Cache,
  sourceDir: string,
): (onProgress: Progress, signal: AbortSignal) => Promise<string> {
  const source: Source = { folder: sourceDir, known: undefined };
  return (onProgress, signal) => ensureAgent(cache, source, onProgress, signal);
}

/** The crate, and the key of its files as they were last seen. */
interface Source {
  folder: string;
  known: { versions: string; key: string } | undefined;
}

async function ensureAgent(cache: Cache, source: Source, onProgress: Progress, signal: AbortSignal): Promise<string> {
  const key = await sourceKey(source);
  const published = cache.path('agent', key, binaryFile);
  if (await isPresent(published)) return published;
  const built = await cache.locked('agent', signal, async () => {
    if (await isPresent(published)) return published;
    const targetDir = cache.path('agent-build');
    await build(source.folder, targetDir, onProgress, signal);
    if ((await sourceKey(source)) !== key) return undefined;
    await using staging = await cache.staging();
    await copyFile(join(targetDir, builtBinary), join(staging.path, binaryFile));
    return join(await cache.publish(staging, 'agent', key), binaryFile);
  });
  // Sources edited while they were compiled: what came out belongs to no key.
  return built ?? (await ensureAgent(cache, source, onProgress, signal));
}

async function build(sourceDir: string, targetDir: string, onProgress: Progress, signal: AbortSignal): Promise<void> {
  onProgress('compiling the guest agent');
  const result = await runCommand({
    program: requireCargo(),
    args: ['build', '--release', '--locked'],
    // cargo finds the crate's own settings (static linking) by its working folder.
    cwd: sourceDir,
    env: { CARGO_TARGET_DIR: targetDir, CARGO_TERM_COLOR: 'never' },
    timeoutMs: buildTimeoutMs,
    signal,
    onLine: (line) => {
      const crate = /^\s*(Compiling|Downloaded) (\S+)/.exec(line)?.[2];
      if (crate) onProgress(`compiling the guest agent: ${crate}`);
    },
  });
  if (result.exitCode === 0) return;
  throw new TvmError(
    'internal',
    `compiling the guest agent failed: ${result.stderr.trim().split('\n').slice(-8).join('\n')}`,
    {
      reason: 'AgentBuildFailed',
      hint: 'The agent needs Rust 1.90 or newer with a C linker; scripts/setup.sh installs both.',
    },
  );
}

function requireCargo(): string {
  const cargo = findTool('cargo');
  if (cargo) return cargo;
  throw new TvmError('failed_precondition', 'Rust (cargo) is not installed, so the guest agent cannot be compiled', {
    reason: 'ToolMissing',
    hint: 'Run scripts/setup.sh, or on Debian: apt-get install cargo-web gcc libc6-dev',
  });
}

/** A hash over all that goes into the binary; the files are read only when one of them changed. */
async function sourceKey(source: Source): Promise<string> {
  const paths = await sourcePaths(source.folder);
  const seen = await Promise.all(paths.map(async (path) => `${path} ${await fileVersion(path).catch(() => '')}`));
  const versions = seen.join('\n');
  if (source.known?.versions !== versions) {
    const contents = await Promise.all(
      paths.map(async (path) => [path.slice(source.folder.length), await readOptional(path)]),
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
