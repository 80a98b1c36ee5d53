// The command that runs a VMM in a sandbox: a pure function. Invariant: what is not named here is not there inside.
import { dirname } from 'node:path';

/** What a program needs of the host to run at all. */
export interface ProgramFiles {
  /** Absolute. */
  program: string;
  /** Files and folders, by their real paths. */
  paths: string[];
  /** Names that lead there: /lib to usr/lib. */
  links: { name: string; target: string }[];
}

export interface Sandbox {
  /** Absolute: where it works, and the only folder that it may change. */
  folder: string;
  /** Files that it may read, and files that it may write besides. Inside they have the same names. */
  readable: string[];
  writable: string[];
  devices: string[];
  /** Undefined: the user that flintlock is, in a namespace of users. */
  user: { uid: number; groups: number[] } | undefined;
  environment: Record<string, string>;
}

export interface Command {
  program: string;
  args: string[];
}

/** Bubblewrap waits outside for the program, and ends with it. */
export function sandboxCommand(files: ProgramFiles, sandbox: Sandbox, args: string[]): Command {
  const inside = [...becomeUser(sandbox.user), files.program, ...args];
  return { program: 'bwrap', args: [...namespaces(sandbox), ...root(files, sandbox), '--', ...inside] };
}

function namespaces({ user }: Sandbox): string[] {
  const capabilities = ['SETUID', 'SETGID', 'SETPCAP'].flatMap((name) => ['--cap-add', `CAP_${name}`]);
  return [
    ...['--unshare-pid', '--unshare-ipc', '--unshare-uts', '--unshare-cgroup-try', '--hostname', 'vmm', '--as-pid-1'],
    '--unshare-net',
    ...(user ? ['--cap-drop', 'ALL', ...capabilities] : ['--unshare-user']),
  ];
}

function root({ program, paths, links }: ProgramFiles, sandbox: Sandbox): string[] {
  const { folder, readable, writable, devices, environment } = sandbox;
  const binds = [
    ...[program, setprivPath, ...paths, ...readable].map((path) => ({ how: '--ro-bind', path })),
    ...[folder, ...writable].map((path) => ({ how: '--bind', path })),
    ...['/dev/null', ...devices].map((path) => ({ how: '--dev-bind', path })),
  ];
  const unique = [...new Map(binds.map((bind) => [bind.path, bind])).values()];
  const above = new Set(unique.flatMap(({ path }) => ancestors(path)));
  return [
    ...[...above].sort().flatMap((path) => ['--dir', path]),
    ...links.flatMap(({ name, target }) => ['--symlink', target, name]),
    ...unique.sort(byPath).flatMap(({ how, path }) => [how, path, path]),
    ...Object.entries(environment).flatMap(([name, value]) => ['--setenv', name, value]),
    ...['--remount-ro', '/', '--chdir', folder],
  ];
}

const byPath = (a: { path: string }, b: { path: string }) => (a.path < b.path ? -1 : 1);

function ancestors(path: string): string[] {
  const parent = dirname(path);
  return parent === '/' ? [] : [...ancestors(parent), parent];
}

export const setprivPath = '/usr/bin/setpriv';

function becomeUser(user: Sandbox['user']): string[] {
  const always = [setprivPath, '--no-new-privs'];
  if (!user) return always;
  const groups = user.groups.length > 0 ? ['--groups', user.groups.join(',')] : ['--clear-groups'];
  const ids = ['--reuid', String(user.uid), '--regid', String(user.uid)];
  return [...always, ...ids, ...groups, '--inh-caps=-all', '--bounding-set=-all'];
}
