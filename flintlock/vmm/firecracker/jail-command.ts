// How a jailed Firecracker is started: pure functions to the arguments of the programs that make the jail.
// Invariant: mounts are made in a mount namespace that ends with the VMM, so that none is ever left on the host.
import { basename, join } from 'node:path';
import { vmmFolder } from '../../confinement/confinement.ts';
import type { Vm } from '../driver.ts';
import { vmNamePrefix } from '../process.ts';

/** Where a jail is, whose it is, and what it is joined to. */
export interface JailPlan {
  vm: Vm;
  jailer: string;
  firecracker: string;
  uid: number;
  /** Path of a network namespace; undefined: that of flintlock. */
  netns?: string | undefined;
  cgroupVersion: 1 | 2;
  maxFileBytes: number;
  /** Firecracker's own arguments. */
  args: string[];
  /** Files of the host by the name that they have in the jail. */
  inputs: Readonly<Record<string, string>>;
}

const maxOpenFiles = 1024;

/** What a jailed Firecracker sees as /, where the jailer lays it out. */
export function jailRoot(vm: Vm, firecracker: string): string {
  return join(vm.folder, vmmFolder, basename(firecracker), `${vmNamePrefix}${vm.id}`, 'root');
}

/** Mounts the files, then becomes the jailer: pairs of source and target, --, and the jailer's command. */
const mountAndRun = `
while [ "$1" != -- ]; do
  mount -o bind,ro,nosuid,nodev,noexec "$1" "$2" || exit 125
  shift 2
done
shift
exec "$@"`;

export function jailCommand(plan: JailPlan): { program: string; args: string[] } {
  const root = jailRoot(plan.vm, plan.firecracker);
  const mounts = Object.entries(plan.inputs).flatMap(([name, path]) => [path, join(root, name)]);
  const shell = ['sh', '-c', mountAndRun, 'sh', ...mounts, '--', plan.jailer, ...jailerArguments(plan)];
  return { program: 'unshare', args: ['--mount', '--propagation', 'slave', '--', ...shell] };
}

function jailerArguments(plan: JailPlan): string[] {
  const { vm, firecracker, uid, netns, cgroupVersion, maxFileBytes, args } = plan;
  return [
    ...['--id', `${vmNamePrefix}${vm.id}`, '--exec-file', firecracker, '--chroot-base-dir', join(vm.folder, vmmFolder)],
    ...['--uid', `${uid}`, '--gid', `${uid}`, '--new-pid-ns', '--cgroup-version', `${cgroupVersion}`],
    ...['--resource-limit', `fsize=${maxFileBytes}`, '--resource-limit', `no-file=${maxOpenFiles}`],
    ...(netns === undefined ? [] : ['--netns', netns]),
    ...['--', ...args],
  ];
}
