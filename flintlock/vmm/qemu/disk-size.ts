// Makes the device of a disk as large as its file has become, while the VM runs. Invariant: only a disk of the VM, never its root.
import { TvmError } from '@tvm/api/errors.ts';
import { z } from 'zod';
import type { VmDisk } from '../driver.ts';
import { drivesOfDisk } from './command-line.ts';
import type { Qmp } from './qmp.ts';

const blockDevices = z.array(z.object({ inserted: z.object({ 'node-name': z.string().optional() }).optional() }));
const mib = 1024 * 1024;

export async function resizeDisk(qmp: Qmp, { name, sizeMiB }: VmDisk): Promise<void> {
  const drives = drivesOfDisk(name);
  const devices = blockDevices.parse(await qmp.execute('query-block'));
  const node = devices.map(({ inserted }) => inserted?.['node-name'] ?? '').find((each) => drives.includes(each));
  if (node === undefined) throw new TvmError('failed_precondition', `the VM has no disk ${name}`);
  await qmp.execute('block_resize', { 'node-name': node, size: sizeMiB * mib });
}
