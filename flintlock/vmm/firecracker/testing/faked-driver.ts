// The driver with fakes in the places of Firecracker and its jailer.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeLogger } from '@tvm/kit/log.ts';
import type { Driver } from '../../driver.ts';
import { type FirecrackerDeps, makeFirecrackerDriver } from '../driver.ts';
import type { Jail } from '../place.ts';

/** A program in `folder` that starts a fake with this Node. */
export async function writeProgram(folder: string, name: string): Promise<string> {
  const fake = join(import.meta.dirname, `fake-${name}.ts`);
  const program = join(folder, name);
  await writeFile(program, `#!/bin/sh\nexec '${process.execPath}' '${fake}' "$@"\n`, { mode: 0o755 });
  return program;
}

export async function makeFakedDriver(folder: string, over: Partial<FirecrackerDeps> = {}): Promise<Driver> {
  return makeFirecrackerDriver({
    ...{ version: '1.16.1', cachePath: join(folder, 'kvm.json'), jail: undefined, unjailed: 'a test' },
    ...{ memory: { trackDirtyPages: false, hugePages: undefined }, log: makeLogger('test', 'silent') },
    program: await writeProgram(folder, 'firecracker'),
    ...over,
  });
}

/** What is mounted and whose it is, is real; what runs in it sees the host as it is. */
export async function makeFakedJail(folder: string): Promise<Jail> {
  return {
    jailer: await writeProgram(folder, 'jailer'),
    cgroupVersion: 2,
    users: { first: 200_000, last: 299_999 },
  };
}
