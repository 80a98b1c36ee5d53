// Gives back the host memory of machines that have been paused for a while: memory and devices go to disk, the VMM ends, and
// a resume starts another from there. Invariant: at any moment the record names what the machine goes on from, and that is
// whole: a VMM, or a folder that was renamed into place.
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TvmError } from '@tvm/api/errors.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import { z } from 'zod';
import type { Vm, VmSpec } from '../vmm/driver.ts';
import { copySparse } from '../vmm/sparse.ts';
import type { Machines } from './machines.ts';
import { machineLimits } from './record.ts';

const lookEveryMs = 5_000;
const specFile = 'vm.json';

const vmSpec: z.ZodType<VmSpec> = z.strictObject({
  cpus: z.int(),
  memoryMiB: z.int(),
  rootDiskPath: z.string(),
  boot: z.object({
    kernelPath: z.string(),
    initrdPath: z.string(),
    kernelArgs: z.array(z.string()),
    needsAcpi: z.boolean(),
  }),
  disks: z.array(z.strictObject({ name: z.string(), path: z.string(), sizeMiB: z.int() })).optional(),
  limits: machineLimits.optional(),
});

export interface SuspensionDeps {
  machines: Pick<Machines, 'list' | 'suspend'>;
  clock: Clock;
  /** How long a machine is paused before its memory goes to disk; 0: it never does. */
  suspendAfterMs: number;
}

/** Works until the signal aborts. */
export async function watchSuspension(deps: SuspensionDeps, signal: AbortSignal): Promise<void> {
  const { machines, clock, suspendAfterMs } = deps;
  if (suspendAfterMs === 0) return;
  const pausedSinceMs = new Map<string, number>();
  while (!signal.aborted) {
    const nowMs = clock.now();
    const paused = machines.list().filter(({ state, desired }) => state === 'paused' && desired === 'paused');
    const uids = new Set(paused.map(({ uid }) => uid));
    for (const uid of pausedSinceMs.keys()) if (!uids.has(uid)) pausedSinceMs.delete(uid);
    for (const { uid, spec, suspended, openCalls } of paused) {
      // What waits for its first use must be up at once, and shares nearly all of its memory.
      if (spec.standby || spec.template || suspended || openCalls > 0) continue;
      const sinceMs = pausedSinceMs.get(uid) ?? nowMs;
      pausedSinceMs.set(uid, sinceMs);
      if (nowMs - sinceMs < suspendAfterMs) continue;
      // One that cannot be written now is tried again after as long a time.
      pausedSinceMs.set(uid, nowMs);
      machines.suspend(uid);
    }
    await clock.sleep(Math.min(lookEveryMs, suspendAfterMs), signal);
  }
}

/** Where a suspended machine's memory and devices are. */
export function suspendedFolder(vm: Vm): string {
  return join(vm.folder, 'suspended');
}

function stagingFolder(vm: Vm): string {
  return join(vm.folder, 'suspended.new');
}

/** Calls `fill` with an empty folder, adds what the VM is made of, then puts it into place. */
export async function writeSuspended(vm: Vm, spec: VmSpec, fill: (folder: string) => Promise<void>): Promise<void> {
  const staging = stagingFolder(vm);
  await removeSuspended(vm);
  await mkdir(staging, { mode: 0o700 });
  try {
    await fill(staging);
    await writeFile(join(staging, specFile), JSON.stringify(spec), { mode: 0o600 });
    await rename(staging, suspendedFolder(vm));
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

/** Throws `data_loss` when nothing can be read. */
export async function readSuspendedSpec(vm: Vm): Promise<VmSpec> {
  try {
    return vmSpec.parse(JSON.parse(await readFile(join(suspendedFolder(vm), specFile), 'utf8')));
  } catch (cause) {
    throw new TvmError('data_loss', `what was kept of ${vm.id} while it was paused cannot be read`, { cause });
  }
}

/** `unfinished`: only what was never whole. */
export async function removeSuspended(vm: Vm, which: 'all' | 'unfinished' = 'all'): Promise<void> {
  await rm(stagingFolder(vm), { recursive: true, force: true });
  if (which === 'all') await rm(suspendedFolder(vm), { recursive: true, force: true });
}

/** Into a folder that exists. */
export async function copySuspended(vm: Vm, target: string): Promise<void> {
  await copySparse(suspendedFolder(vm), target);
}
