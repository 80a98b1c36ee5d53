// Which accelerator QEMU uses here: KVM where guests run under it, else emulation.
import { execFile } from 'node:child_process';
import type { Logger } from '@tvm/kit/log.ts';
import type { Acceleration, VmBoot } from '../driver.ts';
import { failureOfBoot, keepKvmFailure, knownKvmFailure, kvmProbeDeadlineMs } from '../kvm-probe.ts';
import { qemuProgram } from './host.ts';

export interface ProbeDeps {
  wanted: 'auto' | 'kvm' | 'tcg';
  qemuVersion: string;
  cachePath: string;
  log: Logger;
}

/** What is known without booting anything; undefined when that has to be done. */
export async function knownAcceleration(deps: ProbeDeps): Promise<Acceleration | undefined> {
  if (deps.wanted !== 'auto') return forced(deps.wanted);
  const failure = await knownKvmFailure({ ...deps, vmm: deps.qemuVersion });
  return failure === undefined ? undefined : accelerationFor(failure);
}

/** Boots a kernel without a root disk under KVM: it must panic, and with that end QEMU, in time. */
export async function probeKvm(deps: ProbeDeps, boot: VmBoot): Promise<Acceleration> {
  const failure = await bootBriefly(boot);
  const answer = accelerationFor(failure);
  deps.log.info(answer, 'probed the accelerator');
  await keepKvmFailure({ ...deps, vmm: deps.qemuVersion }, failure);
  return answer;
}

function accelerationFor(failure: string): Acceleration {
  return failure === '' ? { accelerator: 'kvm', reason: '' } : { accelerator: 'tcg', reason: failure };
}

function forced(wanted: 'kvm' | 'tcg'): Acceleration {
  return { accelerator: wanted, reason: wanted === 'tcg' ? 'TVM_ACCELERATOR=tcg' : '' };
}

function bootBriefly({ kernelPath, needsAcpi }: VmBoot): Promise<string> {
  const args = [
    ...['-machine', `microvm,acpi=${needsAcpi ? 'on' : 'off'},rtc=on`, '-accel', 'kvm', '-cpu', 'host', '-m', '64M'],
    ...['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none', '-serial', 'stdio'],
    ...['-kernel', kernelPath, '-append', 'console=ttyS0 quiet panic=-1 reboot=t'],
  ];
  return new Promise((resolve) => {
    const options = { timeout: kvmProbeDeadlineMs, killSignal: 'SIGKILL' as const, maxBuffer: 1024 * 1024 };
    execFile(qemuProgram, args, options, (error, stdout, stderr) => resolve(failureOfBoot(error, stdout, stderr)));
  });
}
