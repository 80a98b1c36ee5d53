// Snapshot and restore by hand: memory in a file that restores map privately, device state beside it.
import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { GuestConnection } from '@tvm/flintlock/guest/connection.ts';
import { exercise } from '@tvm/flintlock/machines/exercise.ts';
import type { Qmp } from '@tvm/flintlock/vmm/qemu/qmp.ts';
import { type BareDeps, type BareVmm, bootArguments, startVmm } from './vmm.ts';

export interface BareSnapshot {
  memoryPath: string;
  statePath: string;
}

/** What the guest still does after its start is done before the snapshot. */
const restMs = 1_500;
const pollMs = 1;

/** Boots a machine, lets an interpreter wait in it and come to rest, and snapshots it. */
export async function makeSnapshot({ scope, host }: BareDeps): Promise<BareSnapshot> {
  const folder = join(scope.folder, 'bare-snapshot');
  await mkdir(folder);
  const [memoryPath, statePath] = [join(folder, 'memory'), join(folder, 'state')];
  const facts = await host();
  await using vmm = await startVmm(scope, facts, 'memory-backend-file,mem-path=memory,share=on', bootArguments(facts));
  {
    await using guest = await vmm.guest();
    await prime(guest);
    await sleep(restMs);
  }
  using qmp = await vmm.qmp();
  await qmp.execute('stop');
  await ignoreSharedMemory(qmp);
  await qmp.execute('migrate', { uri: `exec:cat > ${statePath}` });
  await untilMigrated(qmp);
  await rename(join(vmm.folder, 'memory'), memoryPath);
  return { memoryPath, statePath };
}

/** A new process that goes on from the snapshot; the machine runs. */
export async function restore({ scope, host }: BareDeps, snapshot: BareSnapshot): Promise<BareVmm> {
  const memory = `memory-backend-file,mem-path=${snapshot.memoryPath},share=off`;
  const vmm = await startVmm(scope, await host(), memory, ['-incoming', 'defer']);
  try {
    using qmp = await vmm.qmp();
    await ignoreSharedMemory(qmp);
    await qmp.execute('migrate-incoming', { uri: `exec:cat ${snapshot.statePath}` });
    await untilMigrated(qmp);
    await qmp.execute('cont');
    return vmm;
  } catch (error) {
    await vmm[Symbol.asyncDispose]();
    throw error;
  }
}

/** What the product does in a machine before it waits for its run. */
export async function prime(guest: GuestConnection): Promise<void> {
  await exercise({ interpreter: 'python' }, guest, new AbortController().signal);
}

async function ignoreSharedMemory(qmp: Qmp): Promise<void> {
  await qmp.execute('migrate-set-capabilities', { capabilities: [{ capability: 'x-ignore-shared', state: true }] });
}

async function untilMigrated(qmp: Qmp): Promise<void> {
  for (;;) {
    const { status } = (await qmp.execute('query-migrate')) as { status?: string };
    if (status === 'completed') return;
    if (status === 'failed') throw new Error('QEMU could not move the state');
    await sleep(pollMs);
  }
}
