// Control groups of the host: one for all VMs of a flintlock, and in it one a VM, of version 2 or 1.
// Invariant: a group has the name of its VM, so that what is left over is found without any record.
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { TvmError } from '@tvm/api/errors.ts';
import type { Vm } from '../vmm/driver.ts';
import { type GroupLimits, groupSettings, type Hierarchies, quotaSettings } from './group-settings.ts';
import type { Command } from './sandbox.ts';

export interface ControlGroups {
  /** Why VMMs are not limited; empty: they are. */
  readonly unavailable: string;
  /** Makes the VM's group and gives the command that enters it, then goes on. */
  enter(vm: Vm, limits: GroupLimits, command: Command): Command;
  /** Of a VM that has ended; one that is not there is fine. */
  remove(vm: Pick<Vm, 'id'>): Promise<void>;
  /** Removes those of VMs that are not kept. */
  sweep(keep: ReadonlySet<string>): Promise<void>;
}

const mount = '/sys/fs/cgroup';
const mostLooks = 10;
const controllers = ['cpu', 'memory', 'pids'] as const;
const enterAll = 'for procs in $1; do echo 0 >"$procs" || exit 1; done; shift; exec "$@"';

/** For the VMs of one state folder; together they get so many processors. */
export function makeControlGroups(stateFolder: string, cpus: number): ControlGroups {
  const name = `tvm/${createHash('sha256').update(stateFolder).digest('hex').slice(0, 12)}`;
  try {
    const groups = new Groups(findHierarchies(name), cpus * 100);
    groups.tryOut();
    return groups;
  } catch (cause) {
    return new NoGroups(cause instanceof Error ? cause.message : String(cause));
  }
}

function findHierarchies(name: string): Hierarchies {
  const offered = existsSync(`${mount}/cgroup.controllers`) ? readFileSync(`${mount}/cgroup.controllers`, 'utf8') : '';
  const isVersion2 = controllers.every((controller) => offered.split(/\s+/).includes(controller));
  const folderOf = (controller: string) => join(isVersion2 ? mount : join(mount, controller), name);
  if (!isVersion2 && !controllers.every((controller) => existsSync(join(mount, controller)))) {
    throw new TvmError('failed_precondition', `there are no control groups for ${controllers.join(', ')} in ${mount}`);
  }
  const folders = { cpu: folderOf('cpu'), memory: folderOf('memory'), pids: folderOf('pids') };
  return { version: isVersion2 ? 2 : 1, folders };
}

/** In version 2 a group has the controllers that the one above hands down. */
function delegate(...groups: string[]): void {
  const all = controllers.map((controller) => `+${controller}`).join(' ');
  const handDown = (group: string) => writeFileSync(join(group, 'cgroup.subtree_control'), all);
  try {
    handDown(mount);
  } catch (error) {
    // A group with processes hands nothing down, unless it is the host's root: in a container it only looks like that.
    if ((error as NodeJS.ErrnoException).code !== 'EBUSY') throw error;
    moveAside();
    handDown(mount);
  }
  groups.forEach(handDown);
}

/** All processes of the container into one group below; programs that start meanwhile are found by the next look. */
function moveAside(): void {
  const aside = join(mount, 'tvm-container');
  mkdirSync(aside, { recursive: true });
  for (let look = 1; look <= mostLooks; look += 1) {
    const found = readFileSync(join(mount, 'cgroup.procs'), 'utf8').match(/\d+/g);
    if (!found) return;
    for (const pid of found) {
      try {
        writeFileSync(join(aside, 'cgroup.procs'), pid);
      } catch (error) {
        // It has ended.
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
      }
    }
  }
}

function write(settings: { path: string; value: string }[]): void {
  for (const { path, value } of settings) writeFileSync(path, value);
}

class Groups implements ControlGroups {
  readonly unavailable = '';
  readonly #found: Hierarchies;
  readonly #parents: string[];
  readonly #mostPercent: number;

  constructor(found: Hierarchies, mostPercent: number) {
    this.#found = found;
    this.#parents = [...new Set(Object.values(found.folders))];
    this.#mostPercent = mostPercent;
  }

  /** Throws when groups cannot be made and limited here. */
  tryOut(): void {
    // Making folders in a tree that is read-only fails with ENOENT, which says nothing.
    for (const parent of this.#parents) accessSync(dirname(dirname(parent)), constants.W_OK);
    this.#makeParents();
    this.#removeParents();
  }

  enter(vm: Vm, limits: GroupLimits, { program, args }: Command): Command {
    const { cpuPercent } = limits;
    // Version 1 refuses a group more than the one above has.
    const possible =
      cpuPercent === undefined ? limits : { ...limits, cpuPercent: Math.min(cpuPercent, this.#mostPercent) };
    this.#makeParents();
    const isTimed = cpuPercent !== undefined || this.#mostPercent < availableParallelism() * 100;
    const folders = this.#foldersOf(vm.id).filter((folder) => isTimed || !this.#isForTimeAlone(folder));
    for (const folder of folders) mkdirSync(folder, { recursive: true });
    write(groupSettings(this.#found, vm.id, possible));
    const entrances = folders.map((folder) => join(folder, 'cgroup.procs')).join(' ');
    return { program: 'sh', args: ['-c', enterAll, 'sh', entrances, program, ...args] };
  }

  async remove({ id }: Pick<Vm, 'id'>): Promise<void> {
    for (const folder of this.#foldersOf(id)) await removeGroup(folder);
    this.#removeParents();
  }

  async sweep(keep: ReadonlySet<string>): Promise<void> {
    for (const parent of this.#parents.filter((folder) => existsSync(folder))) {
      const groups = readdirSync(parent, { withFileTypes: true }).filter((entry) => entry.isDirectory());
      for (const { name } of groups) if (!keep.has(name)) await removeGroup(join(parent, name));
    }
    this.#removeParents();
  }

  #makeParents(): void {
    for (const parent of this.#parents) mkdirSync(parent, { recursive: true });
    if (this.#found.version === 2) delegate(join(mount, 'tvm'), this.#found.folders.cpu);
    write(quotaSettings(this.#found, this.#mostPercent));
  }

  /** Those that have groups of VMs stay. */
  #removeParents(): void {
    for (const parent of this.#parents) tryRemove(parent);
  }

  /** A group counts as one process when processors are shared out: who needs none is better off outside. */
  #isForTimeAlone(folder: string): boolean {
    return this.#found.version === 1 && dirname(folder) === this.#found.folders.cpu;
  }

  #foldersOf(id: string): string[] {
    return this.#parents.map((parent) => join(parent, basename(id)));
  }
}

const busyPollMs = 5;
const mostTries = 40;

/** The kernel keeps a group while a process in it is on its way out. What is left then goes with the next sweep. */
async function removeGroup(folder: string): Promise<void> {
  for (let tries = 1; !tryRemove(folder) && tries < mostTries; tries += 1) await sleep(busyPollMs);
}

/** False: something is in it. */
function tryRemove(folder: string): boolean {
  try {
    rmdirSync(folder);
    return true;
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return true;
    if (code === 'EBUSY' || code === 'ENOTEMPTY') return false;
    throw error;
  }
}

class NoGroups implements ControlGroups {
  readonly unavailable: string;

  constructor(reason: string) {
    this.unavailable = reason;
  }

  enter(vm: Vm, { cpuPercent }: GroupLimits, command: Command): Command {
    if (cpuPercent === undefined) return command;
    throw new TvmError('failed_precondition', `the processor time of ${vm.id} cannot be limited: ${this.unavailable}`, {
      reason: 'LimitsUnavailable',
      hint: 'Run flintlock as root where it may write control groups, or ask for no cpuPercent.',
    });
  }

  async remove(): Promise<void> {}

  async sweep(): Promise<void> {}
}
