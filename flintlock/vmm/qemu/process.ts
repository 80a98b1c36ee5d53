// The process of a VM: started apart from flintlock, so that it survives it, and found again by what is in the folder.
// Invariant: a process is only ever signalled after its number and start time were compared.
import { spawn } from 'node:child_process';
import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { TvmError } from '@tvm/api/errors.ts';
import { z } from 'zod';
import type { Vm } from '../driver.ts';
import { files } from './files.ts';
import { snapshotFacts } from './snapshot.ts';

export const qemuProgram = 'qemu-system-x86_64';

const processIdentity = z.strictObject({ pid: z.int(), startTicks: z.string() });
export type ProcessIdentity = z.infer<typeof processIdentity>;

/** A VM's process, and what its snapshots have to say of it. */
const identity = processIdentity.extend({ shape: snapshotFacts, rootDiskPath: z.string() });
export type VmmIdentity = z.infer<typeof identity>;

/** What a parent learns of its child's end. */
export interface ChildEnd {
  exitCode: number | null;
  signal: string | null;
}

const mib = 1024 * 1024;
const otherFilesMiB = 64;
const stderrTailBytes = 2048;
const deathPollMs = 5;
const deathDeadlineMs = 10_000;

/** Limits keep what the process writes (its messages, its memory file) within bounds; no core dumps. */
export function launch(vm: Vm, args: string[], facts: Pick<VmmIdentity, 'shape' | 'rootDiskPath'>): Promise<ChildEnd> {
  const limits = [`--fsize=${(facts.shape.memoryMiB + otherFilesMiB) * mib}`, '--core=0', '--nofile=1024'];
  const stderr = openSync(join(vm.folder, files.stderr), 'w', 0o600);
  try {
    const child = spawn('prlimit', [...limits, '--', qemuProgram, ...args], {
      cwd: vm.folder,
      detached: true,
      stdio: ['ignore', stderr, stderr],
      env: { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C' },
    });
    const ended = new Promise<ChildEnd>((resolve) => {
      child.on('exit', (exitCode, signal) => resolve({ exitCode, signal }));
      child.on('error', () => resolve({ exitCode: null, signal: null }));
    });
    if (child.pid === undefined)
      throw new TvmError('failed_precondition', 'prlimit (package util-linux) cannot be run');
    child.unref();
    const record: VmmIdentity = { pid: child.pid, startTicks: startTicksOf(child.pid) ?? '', ...facts };
    writeFileSync(join(vm.folder, files.process), JSON.stringify(record), { mode: 0o600 });
    return ended;
  } finally {
    closeSync(stderr);
  }
}

/** What was started in the folder, dead or alive. */
export function identityOf(vm: Vm): VmmIdentity | undefined {
  try {
    return identity.parse(JSON.parse(readFileSync(join(vm.folder, files.process), 'utf8')));
  } catch {
    return undefined;
  }
}

export function isAlive({ pid, startTicks }: ProcessIdentity): boolean {
  return startTicks !== '' && startTicksOf(pid) === startTicks;
}

/** Kills and waits until the process is gone. */
export async function killProcess({ pid, startTicks }: ProcessIdentity): Promise<void> {
  if (!isAlive({ pid, startTicks })) return;
  process.kill(pid, 'SIGKILL');
  const deadline = Date.now() + deathDeadlineMs;
  while (isAlive({ pid, startTicks })) {
    if (Date.now() > deadline) throw new TvmError('deadline_exceeded', `process ${pid} does not end`);
    await sleep(deathPollMs);
  }
}

/** Start time of a process in clock ticks since the host's boot; undefined when it is gone or a zombie. */
function startTicksOf(pid: number): string | undefined {
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
  const path = join(vm.folder, files.stderr);
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

export function removeFiles(vm: Vm): void {
  for (const name of Object.values(files)) rmSync(join(vm.folder, name), { force: true });
}

/** Processes that run in a folder directly below `machinesFolder`, found without any record. */
export function processesBelow(machinesFolder: string): { id: string; process: ProcessIdentity }[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    const pid = Number(name);
    const folder = workingFolderOf(pid);
    const startTicks = startTicksOf(pid);
    if (folder === undefined || startTicks === undefined || dirname(folder) !== machinesFolder) return [];
    return isQemu(pid) ? [{ id: basename(folder), process: { pid, startTicks } }] : [];
  });
}

function workingFolderOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/cwd`).replace(/ \(deleted\)$/, '');
  } catch {
    return undefined;
  }
}

function isQemu(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('guest=tvm-');
  } catch {
    return false;
  }
}
