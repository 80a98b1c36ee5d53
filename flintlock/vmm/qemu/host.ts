// Facts about the host that QEMU's arguments depend on.
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { TvmError } from '@tvm/api/errors.ts';

export const qemuProgram = 'qemu-system-x86_64';

const execute = promisify(execFile);

/** Throws `failed_precondition` when QEMU is not installed. */
export async function qemuVersion(): Promise<string> {
  try {
    const { stdout } = await execute(qemuProgram, ['--version']);
    return /version (\S+)/.exec(stdout)?.[1] ?? 'unknown';
  } catch (cause) {
    throw new TvmError('failed_precondition', `${qemuProgram} cannot be run`, {
      cause,
      reason: 'VmmMissing',
      hint: 'Install it: apt-get install qemu-system-x86.',
    });
  }
}

/**
 * Frequency of the time stamp counter, which emulated guests see as it is. Undefined where nothing reliable tells it:
 * a wrong one would make the guest's clock go wrong, none only makes it coarse.
 */
export async function tscKhz(): Promise<number | undefined> {
  return tscKhzIn(await readFile('/proc/cpuinfo', 'utf8').catch(() => ''));
}

export function tscKhzIn(cpuinfo: string): number | undefined {
  const nominal = /^model name\s*:.*@ ([\d.]+)GHz/m.exec(cpuinfo)?.[1];
  if (nominal) return Math.round(Number(nominal) * 1e6);
  const flags = /^flags\s*:(.*)$/m.exec(cpuinfo)?.[1]?.split(' ') ?? [];
  // In a virtual machine the reported frequency is that of the counter, not a momentary one.
  const isConstant = flags.includes('hypervisor') && flags.includes('constant_tsc');
  const current = /^cpu MHz\s*:\s*([\d.]+)/m.exec(cpuinfo)?.[1];
  return isConstant && current ? Math.round(Number(current) * 1000) : undefined;
}
