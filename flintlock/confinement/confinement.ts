// How VMMs are confined on this host, and the doing of it. Invariant: what flintlock writes for itself lies outside of what
// a VMM may change; a VMM's folder is closed to new files before anything from a guest reaches the VMM.
import { execFile } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { TvmError } from '@tvm/api/errors.ts';
import type { Vm } from '../vmm/driver.ts';
import { privateMemoryLibrary } from './private-memory.ts';
import { filesOfQemu } from './program-files.ts';
import { type Command, type ProgramFiles, type Sandbox, sandboxCommand } from './sandbox.ts';
import { freeUser, type UserRange } from './users.ts';

const execute = promisify(execFile);

/**
 * full: a user, namespaces and a root of its own. namespaces: the same, but as the user that flintlock is, which is not root.
 * none: a process like any other, but for QEMU's own system call filter.
 */
export type ConfinementLevel = 'full' | 'namespaces' | 'none';

export interface ConfinementSettings {
  /** auto: as far as the host allows; require: fully or not at all. */
  mode: 'auto' | 'require' | 'off';
  users: UserRange;
}

/** What a VMM needs besides its own folder. */
export interface VmmNeeds {
  readable: string[];
  writable?: string[];
  devices?: string[];
  /** Of the readable files, the one that it would open for writing. */
  privateMemory?: string | undefined;
}

export interface ConfinedVmm {
  /** The command that runs the VMM with such arguments. */
  command(args: string[]): Command;
  /** From now on nothing can be made in its folder. */
  seal(): void;
}

export interface Confinement {
  readonly level: ConfinementLevel;
  /** Why it is not `full`; empty when it is. */
  readonly reason: string;
  /** Makes the VMM's folder (`vmmFolder`) and takes a user for it, which it has until the folder is removed. */
  prepare(vm: Vm, needs: VmmNeeds): ConfinedVmm;
}

/** In a VM's folder: what its VMM may change. */
export const vmmFolder = 'vmm';

/** Throws `failed_precondition` when confinement is required and the host does not allow it. */
export async function makeConfinement(
  program: string,
  { mode, users }: ConfinementSettings,
  stateFolder: string,
): Promise<Confinement> {
  if (mode === 'off') return unconfined(program, 'TVM_CONFINEMENT=off');
  try {
    const library = await privateMemoryLibrary(join(stateFolder, 'confinement'));
    const files = await filesOfQemu(program);
    const isRoot = process.getuid?.() === 0;
    const range = isRoot ? users : undefined;
    await tryOut(files, range, stateFolder);
    if (range) return new Sandboxes('full', '', files, library, range);
    if (mode === 'auto') return new Sandboxes('namespaces', 'flintlock is not root', files, library, undefined);
    throw new TvmError('failed_precondition', 'flintlock is not root');
  } catch (cause) {
    const { message } = TvmError.from(cause);
    if (mode === 'auto') return unconfined(program, message);
    throw new TvmError('failed_precondition', `virtual machine monitors cannot be confined here: ${message}`, {
      cause,
      reason: 'ConfinementUnavailable',
      hint: 'Run flintlock as root with bubblewrap installed, or set TVM_CONFINEMENT=auto to go on with less.',
    });
  }
}

/** Whether a sandbox can be made at all is known only once one was made. */
async function tryOut(files: ProgramFiles, range: UserRange | undefined, stateFolder: string): Promise<void> {
  const user = range && { uid: range.first, groups: [] };
  const nothing = { readable: [], writable: [], devices: [], environment: {} };
  const folder = join(stateFolder, 'confinement');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { program, args } = sandboxCommand(files, { ...nothing, folder, user }, ['--version']);
  try {
    await execute(program, args, { cwd: '/' });
  } catch (cause) {
    const { code, stderr } = cause as { code?: string; stderr?: string };
    const message = code === 'ENOENT' ? 'bwrap (package bubblewrap) is not installed' : `${stderr ?? cause}`.trim();
    throw new TvmError('failed_precondition', message, { cause });
  }
}

class Sandboxes implements Confinement {
  constructor(
    level: ConfinementLevel,
    reason: string,
    files: ProgramFiles,
    library: string,
    users: UserRange | undefined,
  ) {
    this.level = level;
    this.reason = reason;
    this.#files = files;
    this.#library = library;
    this.#users = users;
  }
  readonly level: ConfinementLevel;
  readonly reason: string;
  readonly #files: ProgramFiles;
  readonly #library: string;
  readonly #users: UserRange | undefined;

  prepare(vm: Vm, needs: VmmNeeds): ConfinedVmm {
    const { privateMemory, devices = [], writable = [] } = needs;
    const folder = join(vm.folder, vmmFolder);
    const uid = this.#users && userFor(vm, this.#users);
    makeFolder(folder, uid);
    const sandbox: Sandbox = {
      ...{ folder, writable, devices },
      readable: [...needs.readable, ...(privateMemory ? [this.#library] : [])],
      user: uid === undefined ? undefined : { uid, groups: devices.map((path) => statSync(path).gid) },
      environment: privateMemory ? { LD_PRELOAD: this.#library, TVM_READ_ONLY: privateMemory } : {},
    };
    for (const path of sandbox.readable) if (uid !== undefined) letOthersRead(path);
    for (const path of writable) if (uid !== undefined) giveTo(path, uid);
    return {
      command: (args) => sandboxCommand(this.#files, sandbox, args),
      seal: () => uid !== undefined && chmodSync(folder, sealedMode),
    };
  }
}

const [openMode, sealedMode] = [0o770, 0o750];

/** Its group is the VMM's; flintlock stays the owner, so that the VMM cannot open it again. */
function makeFolder(folder: string, uid: number | undefined): void {
  mkdirSync(folder, { mode: 0o700 });
  if (uid === undefined) return;
  chownSync(folder, 0, uid);
  chmodSync(folder, openMode);
}

/** A user that no VM beside it has; it is the VM's once its VMM's folder has it as group. */
export function userFor(vm: Vm, users: UserRange): number {
  return freeUser(users, usersBelow(dirname(vm.folder)), Math.random());
}

/** The users that VMs in such a folder have. */
export function usersBelow(machinesFolder: string): Set<number> {
  const owner = (id: string) => statSync(join(machinesFolder, id, vmmFolder), { throwIfNoEntry: false })?.gid;
  return new Set(readdirSync(machinesFolder).flatMap((id) => owner(id) ?? []));
}

/** The folders that it lies in keep everybody else away. */
function letOthersRead(path: string): void {
  const { mode } = statSync(path);
  if ((mode & 0o004) === 0) chmodSync(path, (mode & 0o777) | 0o044);
}

/** For writing: its group is the VMM's, flintlock stays the owner. */
export function giveTo(path: string, uid: number): void {
  chownSync(path, 0, uid);
  chmodSync(path, 0o660);
}

function unconfined(program: string, reason: string): Confinement {
  return {
    level: 'none',
    reason,
    prepare(vm) {
      makeFolder(join(vm.folder, vmmFolder), undefined);
      return { command: (args) => ({ program, args }), seal: () => undefined };
    },
  };
}
