// The files of a jail: what is put into it before its VMM starts, what is taken out of it, and its end.
// Invariant: the VMM owns everything in its jail and may replace any of it, so no path into a jail is followed once it runs: what
// flintlock uses is first linked or moved into the VM's own folder, and only then looked at.
import {
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { chmod } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { TvmError } from '@tvm/api/errors.ts';
import { giveTo, userFor, vmmFolder } from '../../confinement/confinement.ts';
import type { UserRange } from '../../confinement/users.ts';
import type { Vm } from '../driver.ts';
import { type ProcessIdentity, startTicksOf, vmNamePrefix } from '../process.ts';
import { copySparse } from '../sparse.ts';
import { pipes } from './files.ts';
import { jailRoot } from './jail-command.ts';
import type { Wanted } from './place.ts';

const othersMayRead = 0o004;

/**
 * Makes the jail with the pipes of the VM's folder in it, and a place for each file that will be mounted. Gives the user of
 * the VM, which it has until its jail is removed.
 */
export function furnish(
  vm: Vm,
  firecracker: string,
  users: UserRange,
  { inputs, disks }: Pick<Wanted, 'inputs' | 'disks'>,
): number {
  const uid = userFor(vm, users);
  mkdirSync(join(vm.folder, vmmFolder), { mode: 0o750 });
  chownSync(join(vm.folder, vmmFolder), 0, uid);
  const root = jailRoot(vm, firecracker);
  mkdirSync(root, { recursive: true, mode: 0o700 });
  for (const path of Object.values(inputs)) checkReadable(path);
  for (const path of Object.values(disks)) giveTo(path, uid);
  for (const name of Object.keys({ ...inputs, ...disks })) writeFileSync(join(root, name), '', { mode: 0o600 });
  for (const name of [pipes.log, pipes.metrics]) {
    chownSync(join(vm.folder, name), uid, uid);
    linkSync(join(vm.folder, name), join(root, name));
  }
  return uid;
}

/** The user of a VM that has a jail. */
export function jailedUser(vm: Vm): number {
  return statSync(join(vm.folder, vmmFolder)).gid;
}

/** The VMM's process, which the jailer left behind when it ended. Before the VMM runs a guest: it could change the number. */
export function jailedPid(vm: Vm, firecracker: string): number {
  const text = readFileSync(join(jailRoot(vm, firecracker), `${basename(firecracker)}.pid`), 'utf8');
  if (/^\d{1,10}$/.test(text)) return Number(text);
  throw new TvmError('internal', `the jailer of ${vm.id} tells no process`);
}

/** Makes a socket of the jail one of the VM's folder; false: it is not there yet. */
export function takeSocket(vm: Vm, firecracker: string, name: string): boolean {
  const inside = join(jailRoot(vm, firecracker), name);
  if (!existsSync(inside)) return false;
  const outside = join(vm.folder, name);
  rmSync(outside, { force: true });
  linkSync(inside, outside);
  if (lstatSync(outside).isSocket()) return true;
  rmSync(outside);
  throw notWhatItSays(vm, name);
}

/** Moves a file that the VMM wrote to where others may read it, but nobody may write. */
export async function takeFile(vm: Vm, firecracker: string, name: string, target: string): Promise<void> {
  const outside = join(vm.folder, name);
  renameSync(join(jailRoot(vm, firecracker), name), outside);
  // A folder is left until the VMM has ended: it could change what is in it while that is removed.
  if (!lstatSync(outside).isFile()) throw notWhatItSays(vm, name);
  try {
    // A copy: the VMM may still hold what it wrote open.
    await copySparse(outside, target);
    await chmod(target, 0o444);
  } finally {
    rmSync(outside, { force: true });
  }
}

/** Of a VMM that has ended. */
export function removeJail(vm: Vm): void {
  rmSync(join(vm.folder, vmmFolder), { recursive: true, force: true });
}

/** Jailed VMMs below a folder of machines, found without any record: by the folder that they see as their own. */
export function jailedBelow(machinesFolder: string, firecracker: string): { id: string; process: ProcessIdentity }[] {
  return readdirSync('/proc').flatMap((name) => {
    const pid = Number(name);
    if (!Number.isInteger(pid)) return [];
    const id = jailedIdOf(pid);
    const startTicks = startTicksOf(pid);
    if (id === undefined || startTicks === undefined) return [];
    const root = jailRoot({ id, folder: join(machinesFolder, id) }, firecracker);
    return isSameFolder(`/proc/${pid}/cwd`, root) ? [{ id, process: { pid, startTicks } }] : [];
  });
}

const jailedCommand = new RegExp(`\\0--id\\0${vmNamePrefix}([A-Za-z0-9-]+)\\0`);

function jailedIdOf(pid: number): string | undefined {
  try {
    return jailedCommand.exec(readFileSync(`/proc/${pid}/cmdline`, 'latin1'))?.[1];
  } catch {
    return undefined;
  }
}

function isSameFolder(one: string, other: string): boolean {
  try {
    const [a, b] = [statSync(one), statSync(other)];
    return a.ino === b.ino && a.dev === b.dev;
  } catch {
    return false;
  }
}

/** The VMM's user owns none of what it reads. */
function checkReadable(path: string): void {
  if ((statSync(path).mode & othersMayRead) !== 0) return;
  const hint = `chmod o+r ${path}`;
  throw new TvmError('failed_precondition', `a jailed Firecracker may not read ${path}`, {
    hint,
    reason: 'NotReadable',
  });
}

function notWhatItSays({ id }: Vm, name: string): TvmError {
  return new TvmError('data_loss', `the VMM of ${id} has put something else in the place of ${name}`);
}
