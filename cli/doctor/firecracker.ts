// Which Firecracker and jailer there are. Invariant: nothing is missing without them: QEMU does the same.
import { execFile } from 'node:child_process';
import { findFirecracker, findJailer, isTooOld, oldestFirecracker } from '@tvm/kit/firecracker-release.ts';
import type { Config } from '../config.ts';
import type { Check } from './check.ts';

const name = 'firecracker';
const install = 'vvm doctor --install-firecracker';

/** `kvm`: whether there is a KVM that it could use. */
export async function checkFirecracker({ environment, cache }: Config, kvm: boolean): Promise<Check> {
  const { FIRECRACKER_BIN, JAILER_BIN, TVM_JAILER, PATH = '' } = environment;
  const program = findFirecracker(FIRECRACKER_BIN, cache, PATH);
  const version = await versionOf(program);
  if (!kvm) {
    const found = `${version ? `${version} (${program})` : 'not installed'}; not used: it needs KVM, QEMU does not`;
    return { name, state: 'ok', found };
  }
  if (!version) {
    return { name, state: 'warning', found: 'not installed, QEMU is used', advice: `To use it: ${install}` };
  }
  if (isTooOld(version)) {
    const old = `${version} (${program}) is too old (${oldestFirecracker} or later), QEMU is used`;
    return { name, state: 'warning', found: old, advice: `To use it: ${install}` };
  }
  const jailer = findJailer(JAILER_BIN ?? TVM_JAILER, program);
  const jailerVersion = await versionOf(jailer);
  const found = `${version} (${program}), jailer ${jailerVersion ?? 'not installed'}`;
  if (jailerVersion !== version) {
    const advice = `Without a jailer of the same version machines run as the user of the service: ${install}`;
    return { name, state: 'warning', found, advice };
  }
  if (process.getuid?.() === 0) return { name, state: 'ok', found };
  return { name, state: 'warning', found, advice: 'The jailer wants root: machines run as this user.' };
}

/** "1.16.1"; undefined: it cannot be run. */
function versionOf(program: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(program, ['--version'], { timeout: 10_000 }, (_error, stdout) => {
      resolve(/^(?:Firecracker|Jailer) v(\S+)/m.exec(stdout)?.[1]);
    });
  });
}
