// Which VMM this flintlock uses, as asked or as the host allows.
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '@tvm/kit/log.ts';
import type { Config } from '../config.ts';
import type { Driver } from './driver.ts';
import { makeFirecrackerDriver } from './firecracker/driver.ts';
import { firecrackerVersion } from './firecracker/host.ts';
import { kvmPath } from './kvm-probe.ts';
import { makeQemuDriver } from './qemu/driver.ts';

export type ChooseDeps = Pick<Config, 'driver' | 'firecracker' | 'accelerator' | 'stateFolder'> & { log: Logger };

/** Throws `failed_precondition` when the VMM that is asked for is not installed. */
export async function chooseDriver(deps: ChooseDeps): Promise<Driver> {
  const { firecracker, accelerator, stateFolder, log } = deps;
  const version = await versionToUse(deps);
  if (version === undefined) return await makeQemuDriver({ stateFolder, accelerator, log });
  return makeFirecrackerDriver({ program: firecracker, version, cachePath: join(stateFolder, 'firecracker.json') });
}

/** Of Firecracker, when that is asked for, or may be chosen and can be used. */
async function versionToUse({ driver, firecracker, accelerator }: ChooseDeps): Promise<string | undefined> {
  if (driver === 'firecracker') return await firecrackerVersion(firecracker);
  if (driver !== 'auto' || accelerator === 'tcg') return undefined;
  try {
    await access(kvmPath, constants.R_OK | constants.W_OK);
    return await firecrackerVersion(firecracker);
  } catch {
    return undefined;
  }
}
