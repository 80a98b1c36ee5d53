// Which accelerator works here. /dev/kvm alone says little: on some hosts an ordinary guest hangs on it. So one is booted.
// Invariant: the answer is kept on disk and asked again only when host kernel, QEMU or processor change.
import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { cpus, release } from 'node:os';
import { dirname } from 'node:path';
import type { Logger } from '@tvm/kit/log.ts';
import { z } from 'zod';
import type { Acceleration, VmBoot } from '../driver.ts';
import { qemuProgram } from './host.ts';

const cached = z.strictObject({ key: z.string(), accelerator: z.enum(['kvm', 'tcg']), reason: z.string() });

const probeDeadlineMs = 6000;
const kvmPath = '/dev/kvm';

export interface ProbeDeps {
  wanted: 'auto' | 'kvm' | 'tcg';
  qemuVersion: string;
  cachePath: string;
  log: Logger;
}

/** What is known without booting anything; undefined when that has to be done. */
export async function knownAcceleration(deps: ProbeDeps): Promise<Acceleration | undefined> {
  if (deps.wanted !== 'auto') return forced(deps.wanted);
  const missing = await access(kvmPath, constants.R_OK | constants.W_OK).then(
    () => undefined,
    (error: NodeJS.ErrnoException) => error,
  );
  if (missing) return { accelerator: 'tcg', reason: whyNoDevice(missing) };
  return await readCache(deps);
}

/** Boots a kernel without a root disk under KVM: it must panic, and with that end QEMU, in time. */
export async function probeKvm(deps: ProbeDeps, boot: VmBoot): Promise<Acceleration> {
  const failure = await bootBriefly(boot);
  const answer: Acceleration =
    failure === undefined ? { accelerator: 'kvm', reason: '' } : { accelerator: 'tcg', reason: failure };
  deps.log.info(answer, 'probed the accelerator');
  await writeCache(deps, answer);
  return answer;
}

function forced(wanted: 'kvm' | 'tcg'): Acceleration {
  return { accelerator: wanted, reason: wanted === 'tcg' ? 'TVM_ACCELERATOR=tcg' : '' };
}

function whyNoDevice(error: NodeJS.ErrnoException): string {
  if (error.code === 'ENOENT') return `${kvmPath} does not exist`;
  return `${kvmPath} may not be used by this user (${error.code})`;
}

function bootBriefly({ kernelPath, needsAcpi }: VmBoot): Promise<string | undefined> {
  const args = [
    ...['-machine', `microvm,acpi=${needsAcpi ? 'on' : 'off'},rtc=on`, '-accel', 'kvm', '-cpu', 'host', '-m', '64M'],
    ...['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none', '-serial', 'stdio'],
    ...['-kernel', kernelPath, '-append', 'console=ttyS0 quiet panic=-1 reboot=t'],
  ];
  return new Promise((resolve) => {
    const options = { timeout: probeDeadlineMs, killSignal: 'SIGKILL' as const, maxBuffer: 1024 * 1024 };
    execFile(qemuProgram, args, options, (error, stdout, stderr) => {
      if (error?.killed)
        resolve(`a guest hangs under ${kvmPath} (no end of its boot within ${probeDeadlineMs / 1000} s)`);
      else if (error) resolve(`QEMU cannot use ${kvmPath}: ${stderr.trim().split('\n')[0] ?? error.message}`);
      else resolve(stdout.includes('Kernel panic') ? undefined : `a guest ends early under ${kvmPath}`);
    });
  });
}

function keyOf({ qemuVersion }: ProbeDeps): string {
  return `${release()} / ${qemuVersion} / ${cpus()[0]?.model ?? 'unknown'}`;
}

async function readCache(deps: ProbeDeps): Promise<Acceleration | undefined> {
  const text = await readFile(deps.cachePath, 'utf8').catch(() => '');
  try {
    const { key, accelerator, reason } = cached.parse(JSON.parse(text));
    return key === keyOf(deps) ? { accelerator, reason } : undefined;
  } catch {
    return undefined;
  }
}

async function writeCache(deps: ProbeDeps, answer: Acceleration): Promise<void> {
  await mkdir(dirname(deps.cachePath), { recursive: true, mode: 0o700 });
  await writeFile(`${deps.cachePath}.new`, JSON.stringify({ key: keyOf(deps), ...answer }));
  await rename(`${deps.cachePath}.new`, deps.cachePath);
}
