// Whether VMs can be jailed on this host, and if not, why.
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { TvmError } from '@tvm/api/errors.ts';
import type { ConfinementSettings } from '../../confinement/confinement.ts';
import type { Jail } from './place.ts';

export interface FindJailDeps {
  /** A path, or a name to look for in PATH. */
  jailer: string;
  firecracker: string;
  /** Of Firecracker. */
  version: string;
  confinement: ConfinementSettings;
  /** Where jails will be: jailers make devices there. */
  stateFolder: string;
}

/** A jail, or why there is none. Throws `failed_precondition` when one is required. */
export async function findJail(deps: FindJailDeps): Promise<{ jail: Jail | undefined; unjailed: string }> {
  const { jailer } = deps;
  const { mode, users } = deps.confinement;
  if (mode === 'off') return { jail: undefined, unjailed: 'TVM_CONFINEMENT=off' };
  const unjailed = await whyNot(jailer, deps);
  if (unjailed === '') return { jail: { jailer, cgroupVersion: cgroupVersion(), users }, unjailed };
  if (mode === 'auto') return { jail: undefined, unjailed };
  throw new TvmError('failed_precondition', `Firecracker cannot be jailed here: ${unjailed}`, {
    reason: 'ConfinementMissing',
    hint: 'Mend that ("vvm doctor --install-firecracker" brings a jailer), or set TVM_CONFINEMENT=auto.',
  });
}

async function whyNot(jailer: string, { version, firecracker, stateFolder }: FindJailDeps): Promise<string> {
  if (process.getuid?.() !== 0) return 'the jailer wants root';
  const found = await versionOf(jailer);
  if (found === undefined) return `no jailer (${jailer}) can be run`;
  if (found !== version) return `the jailer is of version ${found}, Firecracker of ${version}`;
  if (!firecracker.includes('/')) return 'the jailer wants a path to Firecracker: set FIRECRACKER_BIN';
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8');
  if (hasNoDevices(mounts, stateFolder)) return `${stateFolder} is on a filesystem that is mounted nodev`;
  return '';
}

async function versionOf(jailer: string): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)(jailer, ['--version']);
    return /Jailer v(\S+)/.exec(stdout)?.[1] ?? 'unknown';
  } catch {
    return undefined;
  }
}

/** The version whose hierarchy the jailer finds. */
function cgroupVersion(): 1 | 2 {
  return existsSync('/sys/fs/cgroup/cgroup.controllers') ? 2 : 1;
}

/** Whether devices do not work below a folder, by the text of /proc/self/mountinfo. */
export function hasNoDevices(mountinfo: string, folder: string): boolean {
  const mounts = mountinfo.split('\n').flatMap((line) => {
    const [, , , , point, options] = line.split(' ');
    if (point === undefined || options === undefined) return [];
    const path = point.replaceAll('\\040', ' ');
    return folder === path || folder.startsWith(path === '/' ? '/' : `${path}/`) ? [{ path, options }] : [];
  });
  // Of two on one place, the later hides the earlier.
  const [nearest] = mounts.reverse().sort((a, b) => b.path.length - a.path.length);
  return nearest?.options.split(',').includes('nodev') ?? false;
}
