// How a jailed Firecracker is started: pure functions to the arguments of the programs that make the jail.
// Invariant: mounts are made in a mount namespace that ends with the VMM, so that none is ever left on the host.
import { basename, join } from 'node:path';
import { vmmFolder } from '../../confinement/confinement.ts';
import type { Command } from '../../confinement/sandbox.ts';
import type { Vm, VmNetwork } from '../driver.ts';
import { vmNamePrefix } from '../process.ts';
import { namespaceOf, ownNamespace, withOwnTap } from './tap-command.ts';

/** Where a jail is, whose it is, and what it is joined to. */
export interface JailPlan {
  vm: Vm;
  jailer: string;
  firecracker: string;
  uid: number;
  network?: VmNetwork | undefined;
  cgroupVersion: 1 | 2;
  maxFileBytes: number;
  /** Firecracker's own arguments. */
  args: string[];
  /** Files of the host by the name that they have in the jail. */
  inputs: Readonly<Record<string, string>>;
  /** The same, of those that it may write to. */
  disks: Readonly<Record<string, string>>;
}

const maxOpenFiles = 1024;

/** What a jailed Firecracker sees as /, where the jailer lays it out. */
export function jailRoot(vm: Vm, firecracker: string): string {
  return join(vm.folder, vmmFolder, basename(firecracker), `${vmNamePrefix}${vm.id}`, 'root');
}

/** Mounts what comes as way, source and target, up to a --, then becomes what is left. */
const mountAndRun = `
while [ "$1" != -- ]; do
  mount -o "bind,$1,nosuid,nodev,noexec" "$2" "$3" || exit 125
  shift 3
done
shift
exec "$@"`;

export function jailCommand(plan: JailPlan): Command {
  const root = jailRoot(plan.vm, plan.firecracker);
  const mountsOf = (way: 'ro' | 'rw', paths: JailPlan['inputs']) =>
    Object.entries(paths).flatMap(([name, path]) => [way, path, join(root, name)]);
  const mounts = [...mountsOf('ro', plan.inputs), ...mountsOf('rw', plan.disks)];
  const jailer = [plan.jailer, ...jailerArguments(plan)];
  const shell = ['sh', '-c', mountAndRun, 'sh', ...mounts, '--', ...withOwnTap(plan.network, plan.uid, jailer)];
  const namespaces = ['--mount', '--propagation', 'slave', ...ownNamespace(plan.network)];
  return { program: 'unshare', args: [...namespaces, '--', ...shell] };
}

function jailerArguments(plan: JailPlan): string[] {
  const { vm, firecracker, uid, network, cgroupVersion, maxFileBytes, args } = plan;
  const netns = namespaceOf(network);
  return [
    ...['--id', `${vmNamePrefix}${vm.id}`, '--exec-file', firecracker, '--chroot-base-dir', join(vm.folder, vmmFolder)],
    ...['--uid', `${uid}`, '--gid', `${uid}`, '--new-pid-ns', '--cgroup-version', `${cgroupVersion}`],
    ...['--resource-limit', `fsize=${maxFileBytes}`, '--resource-limit', `no-file=${maxOpenFiles}`],
    ...(netns === undefined ? [] : ['--netns', netns]),
    ...['--', ...args],
  ];
}
