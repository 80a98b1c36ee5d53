// Which VMM this flintlock uses, as asked or as the host allows.
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { TvmError } from '@tvm/api/errors.ts';
import type { Logger } from '@tvm/kit/log.ts';
import type { Config } from '../config.ts';
import { makeControlGroups } from '../confinement/control-groups.ts';
import type { Driver } from './driver.ts';
import { makeFirecrackerDriver } from './firecracker/driver.ts';
import { findJail } from './firecracker/find-jail.ts';
import { firecrackerVersion } from './firecracker/host.ts';
import { ensurePager } from './firecracker/pager.ts';
import { kvmPath } from './kvm-probe.ts';
import { makeQemuDriver } from './qemu/driver.ts';

export type ChooseDeps = Pick<
  Config,
  | 'driver'
  | 'firecracker'
  | 'accelerator'
  | 'stateFolder'
  | 'cacheDir'
  | 'jailer'
  | 'confinement'
  | 'hugePages'
  | 'diffSnapshots'
  | 'limits'
> & { log: Logger };

/** Throws `failed_precondition` when the VMM that is asked for is not installed. */
export async function chooseDriver(deps: ChooseDeps): Promise<Driver> {
  const { accelerator, stateFolder, confinement, log } = deps;
  const version = await versionToUse(deps);
  if (version !== undefined) return await firecrackerDriver(deps, version);
  if (deps.hugePages) throw new TvmError('failed_precondition', 'TVM_HUGE_PAGES is for Firecracker, and QEMU is used');
  return await makeQemuDriver({ stateFolder, accelerator, confinement, cpus: deps.limits.cpus, log });
}

const neverAborted = new AbortController().signal;

async function firecrackerDriver(deps: ChooseDeps, version: string): Promise<Driver> {
  const { firecracker: program, stateFolder, log } = deps;
  const { jail, unjailed } = await findJail({ ...deps, version });
  if (!jail)
    log.warn({ why: unjailed }, 'Firecracker is not jailed: it runs as this user, behind its system call filters');
  const cachePath = join(stateFolder, 'firecracker.json');
  const groups = makeControlGroups(stateFolder, deps.limits.cpus);
  if (groups.unavailable !== '') log.warn({ why: groups.unavailable }, 'virtual machine monitors have no limits');
  const pager = deps.hugePages && (await ensurePager(deps.cacheDir, (line) => log.info(line), neverAborted));
  const memory = { trackDirtyPages: deps.diffSnapshots, hugePages: pager ? { pager } : undefined };
  return makeFirecrackerDriver({ program, version, cachePath, jail, unjailed, memory, groups, log });
}

/** Of Firecracker, when that is asked for, or may be chosen and can be used. */
async function versionToUse({ driver, firecracker, accelerator, log }: ChooseDeps): Promise<string | undefined> {
  if (driver === 'firecracker') return await firecrackerVersion(firecracker);
  if (driver !== 'auto' || accelerator === 'tcg') return undefined;
  try {
    await access(kvmPath, constants.R_OK | constants.W_OK);
    return await firecrackerVersion(firecracker);
  } catch (error) {
    const { reason, message } = TvmError.from(error);
    if (reason === 'VmmTooOld') log.warn(`QEMU is used: ${message}`);
    return undefined;
  }
}
