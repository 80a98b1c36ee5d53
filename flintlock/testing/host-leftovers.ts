// What machines of one flintlock have made on this host, as the kernel tells it: for tests that nothing is left behind.
// Invariant: read from the host alone; what the product believes does not count.
import { existsSync, globSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { linkPrefix, namespaceFolder, namespacePrefix, ownerOf } from '../network/names.ts';

export interface Leftovers {
  /** Processes that run below the folder of machines, or name it, but for flintlock itself. */
  processes: string[];
  /** Unix sockets with a path there. */
  sockets: string[];
  mounts: string[];
  /** Folders of machines, and of snapshots and templates that are not whole. */
  folders: string[];
  /** Network namespaces and links with names of this flintlock. */
  networks: string[];
  /** Control groups with the name of a machine of it. */
  controlGroups: string[];
}

/** `machineIds`: of all machines that there ever were. */
export function leftoversOf(home: string, machineIds: readonly string[]): Leftovers {
  const state = join(home, 'flintlock');
  const machines = join(state, 'machines');
  const owner = ownerOf(state);
  const namespaces = namesIn(namespaceFolder).filter((name) => name.startsWith(namespacePrefix(owner)));
  const links = [...namesIn('/sys/class/net'), ...Object.keys(networkInterfaces())];
  return {
    processes: processesNaming(machines),
    sockets: linesWith('/proc/net/unix', machines),
    mounts: linesWith('/proc/self/mountinfo', machines),
    folders: [
      ...namesIn(machines),
      ...['snapshots', 'templates'].flatMap((kind) =>
        namesIn(join(state, kind)).filter((name) => name.startsWith('.')),
      ),
    ],
    networks: [...namespaces, ...new Set(links.filter((name) => name.startsWith(linkPrefix(owner))))],
    controlGroups: machineIds.flatMap((id) => globSync(`/sys/fs/cgroup/**/*${id}*`)),
  };
}

export const nothingLeft: Leftovers = {
  ...{ processes: [], sockets: [], mounts: [], folders: [], networks: [], controlGroups: [] },
};

function processesNaming(folder: string): string[] {
  return namesIn('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    const command = textOf(`/proc/${name}/cmdline`).replaceAll('\0', ' ').trim();
    return `${command} ${workingFolderOf(name)}`.includes(folder) ? [`${name} ${command.slice(0, 100)}`] : [];
  });
}

function linesWith(path: string, text: string): string[] {
  return textOf(path)
    .split('\n')
    .filter((line) => line.includes(text));
}

function namesIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function workingFolderOf(pid: string): string {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch {
    return '';
  }
}
