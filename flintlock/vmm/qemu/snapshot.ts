// Snapshots by QEMU's migration: memory stays in its file, device state comes through a socket.
// Invariant: QEMU may start no program and open no file for it; flintlock reads and writes the state.
import { createReadStream, createWriteStream, rmSync } from 'node:fs';
import { chmod, writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { TvmError } from '@tvm/api/errors.ts';
import { z } from 'zod';
import type { Accelerator, Vm, VmDisk, VmSpec } from '../driver.ts';
import { checkFacts } from '../snapshot-facts.ts';
import { copySparse } from '../sparse.ts';
import { pathOf, snapshotFiles, vmmFiles } from './files.ts';
import { connected, type Qmp } from './qmp.ts';

/** What a VM must have in common with the one that the snapshot is of. */
export const snapshotFacts = z.strictObject({
  qemuVersion: z.string(),
  accelerator: z.enum(['kvm', 'tcg', 'none']),
  cpus: z.int(),
  memoryMiB: z.int(),
  needsAcpi: z.boolean(),
  /** Names and sizes in their order. */
  disks: z.string().default(''),
  /** Whether it has an interface. */
  network: z.boolean().default(false),
  /** Memory is a file beside the state, or (of a VM that was restored, until it is separated) in it. */
  memory: z.enum(['file', 'state']),
});
export type SnapshotFacts = z.infer<typeof snapshotFacts>;

const pollMs = 2;
const deadlineMs = 60_000;
const maxDevicesMiB = 64;
const migrationAddress = { uri: `unix:${vmmFiles.migration}` };

/** Of a stopped VM. */
export async function save(vm: Vm, qmp: Qmp, folder: string, facts: SnapshotFacts): Promise<void> {
  await leaveMemoryOut(qmp, facts.memory === 'file');
  const socketPath = pathOf(vm, 'migration');
  rmSync(socketPath, { force: true });
  const server = createServer();
  const incoming = new Promise<Socket>((resolve) => server.once('connection', resolve));
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(socketPath, resolve));
  await chmod(socketPath, 0o666);
  try {
    await qmp.execute('migrate', migrationAddress);
    const target = createWriteStream(join(folder, snapshotFiles.state));
    const writing = incoming.then((socket) => pipeline(socket, atMost(maxStateBytes(facts)), target));
    await Promise.all([writing, untilMigrated(qmp)]);
  } finally {
    server.close();
    rmSync(socketPath, { force: true });
  }
  if (facts.memory === 'file') await copySparse(pathOf(vm, 'memory'), join(folder, snapshotFiles.memory));
  await writeFile(join(folder, snapshotFiles.about), JSON.stringify(facts));
}

/** Into a VM that was started to wait for it; leaves it stopped. `seal` is called before it gets a byte. */
export async function load(
  vm: Vm,
  qmp: Qmp,
  { folder, memory, seal }: { folder: string; memory: SnapshotFacts['memory']; seal: () => void },
): Promise<void> {
  await leaveMemoryOut(qmp, memory === 'file');
  await qmp.execute('migrate-incoming', migrationAddress);
  const socket = await connected(pathOf(vm, 'migration'));
  seal();
  // QEMU closes its end as soon as it has read enough: whether that was all is for QEMU to say.
  const feeding = pipeline(createReadStream(join(folder, snapshotFiles.state)), socket).catch(() => undefined);
  await untilMigrated(qmp);
  socket.destroy();
  await feeding;
}

/** Throws `failed_precondition` when such a VM cannot go on from the snapshot. */
export async function checkSnapshot(folder: string, machine: Omit<SnapshotFacts, 'memory'>): Promise<void> {
  await checkFacts(join(folder, snapshotFiles.about), snapshotFacts, { ...machine, memory: 'file' });
}

export function factsOf(
  spec: Pick<VmSpec, 'cpus' | 'memoryMiB' | 'boot' | 'disks' | 'network'>,
  accelerator: Accelerator,
  qemuVersion: string,
) {
  const { cpus, memoryMiB, boot, disks = [], network } = spec;
  return {
    qemuVersion,
    accelerator,
    cpus,
    memoryMiB,
    needsAcpi: boot.needsAcpi,
    disks: namesAndSizes(disks),
    network: network !== undefined,
  };
}

/** Of disks, in their order. */
export function namesAndSizes(disks: readonly VmDisk[]): string {
  return disks.map(({ name, sizeMiB }) => `${name} ${sizeMiB}`).join();
}

async function leaveMemoryOut(qmp: Qmp, state: boolean): Promise<void> {
  const capabilities = [{ capability: 'x-ignore-shared', state }];
  await qmp.execute('migrate-set-capabilities', { capabilities });
}

async function untilMigrated(qmp: Qmp): Promise<void> {
  for (const deadline = Date.now() + deadlineMs; Date.now() < deadline; ) {
    const answer = (await qmp.execute('query-migrate')) as { status?: string; 'error-desc'?: string };
    if (answer.status === 'completed') return;
    if (answer.status === 'failed' || answer.status === 'cancelled') {
      throw new TvmError('internal', `QEMU could not move the state: ${answer['error-desc'] ?? answer.status}`);
    }
    await sleep(pollMs);
  }
  throw new TvmError('deadline_exceeded', 'QEMU did not finish moving the state');
}

function maxStateBytes({ memoryMiB }: SnapshotFacts): number {
  return (memoryMiB + maxDevicesMiB) * 1024 * 1024;
}

/** Passes bytes on; more than the limit is an error: a VMM that a guest took over must not fill the disk. */
function atMost(limitBytes: number) {
  return async function* (source: AsyncIterable<Buffer>) {
    let total = 0;
    for await (const data of source) {
      total += data.length;
      if (total > limitBytes)
        throw new TvmError('resource_exhausted', `QEMU sends more than ${limitBytes} bytes of state`);
      yield data;
    }
  };
}
