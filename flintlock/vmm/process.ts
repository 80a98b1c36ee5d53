// The process of a VM: started apart from flintlock, so that it survives it, and found again by what is in the folder.
// Invariant: a process is only ever signalled after its number and start time were compared.
import { type ChildProcess, spawn } from 'node:child_process';
import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { constants } from 'node:os';
import { join, relative, sep } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { TvmError } from '@tvm/api/errors.ts';
import { z } from 'zod';
import type { Vm } from './driver.ts';

/** What every VMM has in its folder. */
export const processFiles = { stderr: 'vmm.stderr', process: 'vmm.json' } as const;

const processIdentity = z.object({ pid: z.int(), startTicks: z.string() });
export type ProcessIdentity = z.infer<typeof processIdentity>;

/** What a parent learns of its child's end. */
export interface ChildEnd {
  exitCode: number | null;
  signal: string | null;
}

const stderrTailBytes = 2048;
const deathPollMs = 5;
const deathDeadlineMs = 10_000;

export interface Launch {
  program: string;
  args: string[];
  /** No file that it writes may become larger. */
  maxFileBytes: number;
  /** Where it starts; undefined: in the VM's folder. */
  folder?: string;
  /** The program waits for the VMM, which is its child, and tells by its exit code which signal ended that. */
  isWrapper?: boolean;
  /** Where its standard output goes; undefined: where its messages go. */
  stdout?: number;
  /** What a driver has to know of it later. */
  facts: object;
}

export interface Apart {
  program: string;
  args: string[];
  /** As prlimit has them. */
  limits: string[];
  /** Where it starts. */
  folder: string;
  /** Standard output and error. */
  outputs: [number | 'pipe', number];
}

/** A process that outlives this one, and has nothing of its environment. */
export function spawnApart({ program, args, limits, folder, outputs }: Apart): ChildProcess {
  const child = spawn('prlimit', [...limits, '--', program, ...args], {
    cwd: folder,
    detached: true,
    stdio: ['ignore', ...outputs],
    env: { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C' },
  });
  child.unref();
  return child;
}

/** Starts it in the VM's folder; resolves when it has ended. Limits keep what it writes within bounds; no core dumps. */
export function launch(
  vm: Vm,
  { program, args, maxFileBytes, folder, isWrapper, stdout, facts }: Launch,
): Promise<ChildEnd> {
  const limits = [`--fsize=${maxFileBytes}`, '--core=0', '--nofile=1024'];
  const stderr = openSync(join(vm.folder, processFiles.stderr), 'w', 0o600);
  try {
    const child = spawnApart({
      program,
      args,
      limits,
      folder: folder ?? vm.folder,
      outputs: [stdout ?? stderr, stderr],
    });
    const ended = new Promise<ChildEnd>((resolve) => {
      child.on('exit', (exitCode, signal) =>
        resolve(isWrapper ? endOfWrapped(exitCode, signal) : { exitCode, signal }),
      );
      child.on('error', () => resolve({ exitCode: null, signal: null }));
    });
    if (child.pid === undefined)
      throw new TvmError('failed_precondition', 'prlimit (package util-linux) cannot be run');
    recordProcess(vm, child.pid, facts);
    return ended;
  } finally {
    closeSync(stderr);
  }
}

const signalBase = 128;

/** A wrapper whose child was ended by a signal ends with 128 and its number. */
function endOfWrapped(exitCode: number | null, signal: string | null): ChildEnd {
  const number = (exitCode ?? 0) - signalBase;
  const name = Object.entries(constants.signals).find(([, value]) => value === number)?.[0];
  return name === undefined ? { exitCode, signal } : { exitCode: null, signal: name };
}

/** Remembers which process the VM's is. */
export function recordProcess(vm: Vm, pid: number, facts: object): void {
  const record = { ...facts, pid, startTicks: startTicksOf(pid) ?? '' };
  writeFileSync(join(vm.folder, processFiles.process), JSON.stringify(record), { mode: 0o600 });
}

/** What was started in the folder, dead or alive, with the facts of its driver. */
export function identityOf<Facts>(vm: Vm, facts: z.ZodType<Facts>): (Facts & ProcessIdentity) | undefined {
  try {
    const record = JSON.parse(readFileSync(join(vm.folder, processFiles.process), 'utf8'));
    return { ...facts.parse(record), ...processIdentity.parse(record) };
  } catch {
    return undefined;
  }
}

/** How large a file it may write, in bytes. */
export function fileLimitOf(pid: number): number {
  const soft = /^Max file size\s+(\S+)/m.exec(readFileSync(`/proc/${pid}/limits`, 'utf8'))?.[1];
  return soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft);
}

export function isAlive({ pid, startTicks }: ProcessIdentity): boolean {
  return startTicks !== '' && startTicksOf(pid) === startTicks;
}

/** Kills and waits until the process is gone. */
export async function killProcess({ pid, startTicks }: ProcessIdentity): Promise<void> {
  if (!isAlive({ pid, startTicks })) return;
  // A wrapper ends when its VMM is gone altogether, but may have yet to start it.
  const wrapper = wrapperOf(pid);
  for (const target of childrenOf(pid, [pid])) kill(target);
  const deadline = Date.now() + deathDeadlineMs;
  while (isAlive({ pid, startTicks }) || (wrapper && isAlive(wrapper))) {
    if (Date.now() > deadline) throw new TvmError('deadline_exceeded', `process ${pid} does not end`);
    await sleep(deathPollMs);
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    // It has ended by itself.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** The wrapper that a VMM was started by, while it is there. */
export function wrapperOf(pid: number): ProcessIdentity | undefined {
  const parent = Number(statFields(pid)?.[1]);
  return isVmm(parent) ? { pid: parent, startTicks: startTicksOf(parent) ?? '' } : undefined;
}

/** The VMM itself: where it was started by a wrapper, that process' child. */
export function vmmOf({ pid }: ProcessIdentity): number {
  return childrenOf(pid, [pid])[0] ?? pid;
}

function childrenOf(pid: number, none: number[]): number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    return children === '' ? none : children.split(' ').map(Number);
  } catch {
    return none;
  }
}

/** Start time of a process in clock ticks since the host's boot; undefined when it is gone or a zombie. */
export function startTicksOf(pid: number): string | undefined {
  const fields = statFields(pid);
  return fields === undefined || fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
}

/** Fields of /proc/PID/stat from the state on. */
function statFields(pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

const tickMs = 10;
const pageBytes = 4096;

export function usageOf(pid: number): { residentBytes: number; cpuTimeMs: number } {
  const fields = statFields(pid) ?? [];
  const [userTicks, systemTicks, residentPages] = [fields[11], fields[12], fields[21]].map((field) =>
    Number(field ?? 0),
  );
  return {
    residentBytes: (residentPages ?? 0) * pageBytes,
    cpuTimeMs: ((userTicks ?? 0) + (systemTicks ?? 0)) * tickMs,
  };
}

export function stderrTail(vm: Vm): string {
  const path = join(vm.folder, processFiles.stderr);
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size === 0) return '';
  const fd = openSync(path, 'r');
  try {
    const buffer = Buffer.alloc(Math.min(size, stderrTailBytes));
    readSync(fd, buffer, 0, buffer.length, size - buffer.length);
    return buffer.toString('utf8').trim();
  } finally {
    closeSync(fd);
  }
}

/** VMMs that run in the folder of a VM below `machinesFolder`, or inside of it, found without any record; a wrapper only while its VMM is not there. */
export function processesBelow(machinesFolder: string): { id: string; process: ProcessIdentity }[] {
  const found = readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    const pid = Number(name);
    const [id = ''] = relative(machinesFolder, workingFolderOf(pid) ?? machinesFolder).split(sep);
    const startTicks = startTicksOf(pid);
    if (id === '' || id === '..' || startTicks === undefined || !isVmm(pid)) return [];
    return [{ id, process: { pid, startTicks }, parent: Number(statFields(pid)?.[1]) }];
  });
  const parents = new Set(found.map(({ parent }) => parent));
  return found.filter(({ process }) => !parents.has(process.pid)).map(({ id, process }) => ({ id, process }));
}

function workingFolderOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`).replace(/ \(deleted\)$/, '');
  } catch {
    return undefined;
  }
}

/** Every VMM is given the name of its VM so. */
export const vmNamePrefix = 'tvm-';
const vmmCommand = new RegExp(`(guest=|--id\\0)${vmNamePrefix}`);

function isVmm(pid: number): boolean {
  try {
    return vmmCommand.test(readFileSync(`/proc/${pid}/cmdline`, 'utf8'));
  } catch {
    return false;
  }
}
