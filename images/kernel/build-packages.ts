// The Debian packages that a kernel build needs, installed on request: the user asked for a build.
import { TvmError } from '@tvm/api/errors.ts';
import type { Progress } from '../contract.ts';
import { runCommand } from '../run-command.ts';

const packages = [
  'gcc',
  'libc6-dev',
  'make',
  'binutils',
  'flex',
  'bison',
  'bc',
  'libelf-dev',
  'libssl-dev',
  'xz-utils',
];
const installTimeoutMs = 20 * 60_000;

/** Installs what is missing; `failed_precondition` with the command to run when this is not root. */
export async function ensureBuildPackages(onProgress: Progress, signal: AbortSignal): Promise<void> {
  const missing = await missingPackages(signal);
  if (missing.length === 0) return;
  const install = `apt-get install ${missing.join(' ')}`;
  if (process.getuid?.() !== 0) throw cannotInstall('they are not installed', install);
  onProgress(`installing ${missing.join(' ')}`);
  const result = await runCommand({
    program: 'apt-get',
    args: ['install', '-y', '-q', '--no-install-recommends', ...missing],
    env: { DEBIAN_FRONTEND: 'noninteractive' },
    timeoutMs: installTimeoutMs,
    signal,
  });
  if (result.exitCode !== 0) throw cannotInstall(result.stderr.trim().split('\n').at(-1) ?? '', install);
}

async function missingPackages(signal: AbortSignal): Promise<string[]> {
  const result = await runCommand({
    program: 'dpkg-query',
    args: ['-W', '-f', `\${Package} \${db:Status-Status}\\n`, ...packages],
    timeoutMs: 60_000,
    signal,
  });
  const installed = new Set(result.stdout.toString().split('\n'));
  return packages.filter((name) => !installed.has(`${name} installed`));
}

function cannotInstall(why: string, install: string): TvmError {
  return new TvmError('failed_precondition', `the packages for building a kernel are missing: ${why}`, {
    reason: 'ToolMissing',
    hint: `Run as root: ${install}`,
  });
}
