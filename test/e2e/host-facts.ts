// What belongs to one home on this host: processes, mounts, sockets, files. Read from /proc, never from the product.
import { type Dirent, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

export interface HostProcess {
  pid: number;
  command: string;
}

/** Processes whose command line, environment or working folder names the home; dead ones that await their parent do not count. */
export function processesOf(home: string): HostProcess[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name) || Number(name) === process.pid || !isRunning(Number(name))) return [];
    const command = readOrEmpty(`/proc/${name}/cmdline`).replaceAll('\0', ' ').trim();
    const traces = [command, readOrEmpty(`/proc/${name}/environ`), workingFolder(name)];
    return traces.some((trace) => trace.includes(home)) ? [{ pid: Number(name), command }] : [];
  });
}

/** Virtual machines of the home: the folder of each below flintlock/machines, and its process. */
export function vmmsOf(home: string): { folder: string; pid: number }[] {
  return processesOf(home).flatMap(({ pid, command }) => {
    // It works in a folder of its own below that of its machine.
    const folder = workingFolder(String(pid))
      .replace(/ \(deleted\)$/, '')
      .replace(/\/vmm$/, '');
    return isVmm(command) && folder.startsWith(home) ? [{ folder, pid }] : [];
  });
}

/** Ends it at once; one that has ended meanwhile, as by the end of its parent, is fine. */
export function killAnyway(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Not the sandbox around it, whose command begins with another program. */
export function isVmm(command: string): boolean {
  return /^\S*qemu-system/.test(command);
}

/** Ends that process. Throws when there is none. */
export function killVmmOfBoot(home: string, bootId: string): void {
  const vmm = vmmOfBoot(home, bootId);
  if (!vmm) throw new Error(`no VMM of the machine with boot id ${bootId}`);
  process.kill(vmm.pid, 'SIGKILL');
}

/** The process of the machine that has booted with `bootId`. */
export function vmmOfBoot(home: string, bootId: string): { folder: string; pid: number } | undefined {
  return vmmsOf(home).find(({ folder }) => readOrEmpty(join(folder, 'machine.json')).includes(bootId));
}

export function isRunning(pid: number): boolean {
  const status = readOrEmpty(`/proc/${pid}/status`);
  return status !== '' && !/^State:\s+[ZX]/m.test(status);
}

export function residentMiB(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readOrEmpty(`/proc/${pid}/status`))?.[1] ?? 0) / 1024;
}

export function mountsBelow(home: string): string[] {
  return readOrEmpty('/proc/self/mountinfo')
    .split('\n')
    .filter((line) => line.includes(home));
}

export function socketsBelow(home: string): string[] {
  return readOrEmpty('/proc/net/unix')
    .split('\n')
    .filter((line) => line.includes(home));
}

/** Every file below a folder, relative to it; folders are not told. What is deleted meanwhile, the folder itself too, has none. */
export function filesBelow(folder: string): string[] {
  return entriesOf(folder)
    .flatMap((entry) => {
      const below = () => filesBelow(join(folder, entry.name)).map((file) => join(entry.name, file));
      return entry.isDirectory() ? below() : [entry.name];
    })
    .sort();
}

function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

function workingFolder(pid: string): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return '';
  }
}

/** Empty for what is not there, or goes meanwhile. */
export function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
