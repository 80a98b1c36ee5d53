// What is the same for every VMM that is a process a VM: the process is found again by what is in the VM's folder, followed,
// measured, ended and swept. A driver adds how its VMM is started and talked to.
// Invariant: only what a parent knows more than a stranger, how its children ended, is kept in memory.
import { execFile } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { TvmError } from '@tvm/api/errors.ts';
import type { z } from 'zod';
import { followConsole } from './console.ts';
import { type Driver, type Vm, type VmDisk, type VmEnd, type VmUsage, vmNotRunning } from './driver.ts';
import { networkUseOf } from './network-use.ts';
import {
  type ChildEnd,
  fileLimitOf,
  identityOf,
  isAlive,
  killProcess,
  type Launch,
  launch,
  type ProcessIdentity,
  processesBelow,
  recordProcess,
  stderrTail,
  usageOf,
  vmmOf,
  wrapperOf,
} from './process.ts';

const consoleTailBytes = 4096;
const mib = 1024 * 1024;
const otherFilesMiB = 64;

/** How large a file of a VMM with so much memory may become. */
export function maxFileBytes(memoryMiB: number): number {
  return (memoryMiB + otherFilesMiB) * mib;
}

export interface ProcessDriverParts<Facts extends object> {
  /** What the driver has to know of a VM's process later. */
  facts: z.ZodType<Facts>;
  /** Names of all that a VM has in its folder. */
  files: Readonly<Record<string, string>>;
  openConsole: (vm: Vm) => Promise<Socket>;
  /** VMMs below a folder of machines that do not run in their VM's folder. */
  hiddenBelow?: (machinesFolder: string) => { id: string; process: ProcessIdentity }[];
}

/** A program, what it is given, and what is to be known of it later. */
export type VmmLaunch<Facts> = Omit<Launch, 'maxFileBytes' | 'facts'> & { memoryMiB: number; facts: Facts };

export abstract class ProcessDriver<Facts extends object>
  implements Pick<Driver, 'kill' | 'destroy' | 'inspect' | 'watch' | 'usage' | 'sweep'>
{
  readonly #parts: ProcessDriverParts<Facts>;
  readonly #children = new Map<string, Promise<ChildEnd>>();

  constructor(parts: ProcessDriverParts<Facts>) {
    this.#parts = parts;
  }

  /** Whether the guest runs, as its VMM says. */
  protected abstract isRunning(vm: Vm): Promise<boolean>;

  async kill(vm: Vm): Promise<void> {
    const identity = this.#identity(vm);
    if (identity) await killProcess(identity);
  }

  async destroy(vm: Vm): Promise<void> {
    await this.kill(vm);
    this.#removeFiles(vm);
    this.#children.delete(vm.folder);
  }

  async inspect(vm: Vm): ReturnType<Driver['inspect']> {
    const identity = this.#identity(vm);
    if (!identity) return { state: 'absent' };
    if (!isAlive(identity)) return { state: 'ended', end: await this.#endOf(vm, '') };
    // A VMM that is alive but does not answer still counts as running: it can be killed.
    const running = await this.isRunning(vm).catch(() => true);
    if (!isAlive(identity)) return { state: 'ended', end: await this.#endOf(vm, '') };
    return { state: running ? 'running' : 'paused', pid: vmmOf(identity) };
  }

  async watch(vm: Vm, onConsole: (data: Uint8Array) => void, signal: AbortSignal): Promise<VmEnd | undefined> {
    const identity = this.#identity(vm);
    let tail = Buffer.alloc(0);
    const keep = (data: Uint8Array) => {
      tail = Buffer.concat([tail, data]).subarray(-consoleTailBytes);
      onConsole(data);
    };
    const open = () => this.#parts.openConsole(vm);
    if (identity) await followConsole(open, keep, () => isAlive(identity), signal);
    return signal.aborted ? undefined : await this.#endOf(vm, tail.toString('utf8'));
  }

  async usage(vm: Vm): Promise<VmUsage> {
    const pid = vmmOf(this.require(vm, 'measure'));
    // A sandbox has no interface in it: its wrapper stays where the VM's is.
    return { ...usageOf(pid), network: networkUseOf(wrapperOf(pid)?.pid ?? pid) };
  }

  async sweep(machinesFolder: string, keep: ReadonlySet<string>): Promise<string[]> {
    // One of a VM that is kept but does not know it was started by a flintlock that was killed before it could write so.
    const isKnown = ({ id, process }: { id: string; process: ProcessIdentity }) =>
      keep.has(id) && this.#identity({ id, folder: join(machinesFolder, id) })?.pid === process.pid;
    const hidden = this.#parts.hiddenBelow?.(machinesFolder) ?? [];
    const strays = [...processesBelow(machinesFolder), ...hidden].filter((found) => !isKnown(found));
    await Promise.all(strays.map(({ process }) => killProcess(process)));
    return strays.map(({ id }) => id);
  }

  /** The VM's process, if it is alive. */
  protected alive(vm: Vm): (Facts & ProcessIdentity) | undefined {
    const identity = this.#identity(vm);
    return identity && isAlive(identity) ? identity : undefined;
  }

  /** The same; throws `failed_precondition` when there is none. */
  protected require(vm: Vm, operation: string): Facts & ProcessIdentity {
    const identity = this.#identity(vm);
    if (!identity || !isAlive(identity)) throw vmNotRunning(vm, operation, identity ? 'ended' : 'absent');
    return identity;
  }

  /** Makes the VM's folder, or removes what a dead process left in it. */
  protected clearFolder(vm: Vm): void {
    mkdirSync(vm.folder, { recursive: true, mode: 0o700 });
    this.#removeFiles(vm);
  }

  /** Its memory may be a file; nothing that it writes may be much larger. */
  protected launch(vm: Vm, { memoryMiB, ...command }: VmmLaunch<Facts>): Promise<ChildEnd> {
    const ended = launch(vm, { ...command, maxFileBytes: maxFileBytes(memoryMiB) });
    this.#children.set(vm.folder, ended);
    return ended;
  }

  async prepareGrowth(vm: Vm, { sizeMiB }: VmDisk): Promise<void> {
    await this.allowLargerFiles(vm, sizeMiB);
  }

  /** As `launch` says, of a VMM that runs. */
  protected async allowLargerFiles(vm: Vm, sizeMiB: number): Promise<void> {
    const pid = vmmOf(this.require(vm, 'grow a disk of'));
    const bytes = maxFileBytes(sizeMiB);
    if (fileLimitOf(pid) >= bytes) return;
    try {
      await promisify(execFile)('prlimit', [`--pid=${pid}`, `--fsize=${bytes}`]);
    } catch (cause) {
      const message = `the VMM of ${vm.id} may have no file of ${sizeMiB} MiB until it starts the next time`;
      throw new TvmError('failed_precondition', `${message}: flintlock lacks CAP_SYS_RESOURCE to allow it now`, {
        cause,
        object: `vm/${vm.id}`,
        reason: 'GrowsAtStart',
      });
    }
  }

  /** A wrapper has started the VMM: from now on that is the VM's process, whatever becomes of the wrapper. */
  protected recordVmm(vm: Vm, facts: Facts): void {
    const identity = this.#identity(vm);
    if (identity) recordProcess(vm, vmmOf(identity), facts);
  }

  /** What was launched has ended, and the VMM is another process that it started. */
  protected adopt(vm: Vm, pid: number, facts: Facts): void {
    this.#children.delete(vm.folder);
    recordProcess(vm, pid, facts);
  }

  /** The VM's process, dead or alive, as far as it was written down. */
  protected known(vm: Vm): (Facts & ProcessIdentity) | undefined {
    return this.#identity(vm);
  }

  /** The last that the VMM said of itself. */
  protected said(vm: Vm): string {
    return stderrTail(vm);
  }

  /** How a VMM ended that is no child of this process, where it says so. */
  protected toldEnd(_vm: Vm): ChildEnd | undefined {
    return undefined;
  }

  #identity(vm: Vm): (Facts & ProcessIdentity) | undefined {
    return identityOf(vm, this.#parts.facts);
  }

  #removeFiles(vm: Vm): void {
    for (const name of Object.values(this.#parts.files))
      rmSync(join(vm.folder, name), { recursive: true, force: true });
  }

  async #endOf(vm: Vm, console: string): Promise<VmEnd> {
    const child = (await this.#children.get(vm.folder)) ?? this.toldEnd(vm);
    return { exitCode: child?.exitCode ?? null, signal: child?.signal ?? null, stderr: this.said(vm), console };
  }
}
