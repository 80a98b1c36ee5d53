// The Firecracker of this host: where it is, its version, and whether guests run in it.
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { TvmError } from '@tvm/api/errors.ts';
import { isTooOld, oldestFirecracker } from '@tvm/kit/firecracker-release.ts';
import type { VmBoot } from '../driver.ts';
import { failureOfBoot, keepKvmFailure, knownKvmFailure, kvmProbeDeadlineMs } from '../kvm-probe.ts';

const hint =
  '"vvm doctor --install-firecracker" installs a release; or set FIRECRACKER_BIN to its program, or TVM_DRIVER=qemu.';

/** Throws `failed_precondition` when it is not there (`VmmMissing`), or cannot do what is asked of it (`VmmTooOld`). */
export async function firecrackerVersion(program: string): Promise<string> {
  const { stdout } = await promisify(execFile)(program, ['--version']).catch((cause) => {
    const message = `Firecracker (${program}) cannot be run`;
    throw new TvmError('failed_precondition', message, { cause, reason: 'VmmMissing', hint });
  });
  const version = /Firecracker v(\S+)/.exec(stdout)?.[1] ?? 'unknown';
  if (!isTooOld(version)) return version;
  const message = `Firecracker ${version} (${program}) is too old: it has to be ${oldestFirecracker} or later`;
  throw new TvmError('failed_precondition', message, { reason: 'VmmTooOld', hint });
}

export interface FirecrackerProbeDeps {
  program: string;
  version: string;
  cachePath: string;
}

/** Throws `failed_precondition` when guests do not run in it here. */
export async function probeFirecracker(deps: FirecrackerProbeDeps, boot: VmBoot): Promise<void> {
  const cache = { vmm: `firecracker ${deps.version}`, cachePath: deps.cachePath };
  const known = await knownKvmFailure(cache);
  const failure = known ?? (await bootBriefly(deps.program, boot));
  if (known === undefined) await keepKvmFailure(cache, failure);
  if (failure === '') return;
  throw new TvmError('failed_precondition', `no guest runs in Firecracker here: ${failure}`, {
    reason: 'VmmUnusable',
    hint: 'Set TVM_DRIVER=qemu: QEMU can emulate what KVM cannot do here.',
  });
}

/** What Firecracker says on the guest's console. */
const ownLine = /^\S+ \[anonymous-instance:.*$/gm;

/** Why no guest boots; empty: one does. */
export async function bootBriefly(program: string, { kernelPath }: VmBoot): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tvm-probe-'));
  const config = {
    'boot-source': { kernel_image_path: kernelPath, boot_args: 'console=ttyS0 quiet panic=-1 reboot=k' },
    'machine-config': { vcpu_count: 1, mem_size_mib: 64 },
    drives: [],
  };
  try {
    await writeFile(join(folder, 'vm.json'), JSON.stringify(config));
    return await new Promise((resolve) => {
      const limits = { timeout: kvmProbeDeadlineMs, killSignal: 'SIGKILL' as const, maxBuffer: 1024 * 1024 };
      const args = ['--no-api', '--config-file', 'vm.json'];
      execFile(program, args, { ...limits, cwd: folder }, (error, stdout, stderr) =>
        resolve(failureOfBoot(error, stdout.replaceAll(ownLine, ''), stderr || stdout)),
      );
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
