// What is written to a control group to limit a VMM: pure, for both versions.
import { join } from 'node:path';

export interface GroupLimits {
  /** Of the VMM: the machine's memory and what it needs besides. */
  memoryMiB: number;
  /** Of the VMM, on the host. */
  threads: number;
  /** 100 is one processor; undefined: as much as it has. */
  cpuPercent?: number | undefined;
}

/** The folder in which a controller's groups are: in version 2 the same for all. */
export interface Hierarchies {
  version: 1 | 2;
  folders: { cpu: string; memory: string; pids: string };
}

export interface Setting {
  path: string;
  value: string;
}

const periodUs = 100_000;
const mib = 1024 * 1024;

export function groupSettings(hierarchies: Hierarchies, name: string, limits: GroupLimits): Setting[] {
  const { version, folders } = hierarchies;
  const memoryFile = version === 2 ? 'memory.max' : 'memory.limit_in_bytes';
  return [
    { path: join(folders.memory, name, memoryFile), value: String(limits.memoryMiB * mib) },
    { path: join(folders.pids, name, 'pids.max'), value: String(limits.threads) },
    ...(limits.cpuPercent === undefined ? [] : quotaSettings(hierarchies, limits.cpuPercent, name)),
  ];
}

/** Of one group, or of the one that they are all in. */
export function quotaSettings({ version, folders }: Hierarchies, cpuPercent: number, name = '.'): Setting[] {
  const quotaUs = Math.round((cpuPercent / 100) * periodUs);
  const folder = join(folders.cpu, name);
  if (version === 2) return [{ path: join(folder, 'cpu.max'), value: `${quotaUs} ${periodUs}` }];
  return [
    { path: join(folder, 'cpu.cfs_period_us'), value: String(periodUs) },
    { path: join(folder, 'cpu.cfs_quota_us'), value: String(quotaUs) },
  ];
}
