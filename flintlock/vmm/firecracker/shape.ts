// What a VM must have in common with a snapshot to be restored from it.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { VmSpec } from '../driver.ts';
import { disksFact } from './disks.ts';
import { snapshotFiles } from './files.ts';
import { isLimited, type MemoryOptions } from './requests.ts';

export const shapeSchema = z.strictObject({
  version: z.string(),
  cpus: z.int(),
  memoryMiB: z.int(),
  network: z.boolean().default(false),
  disks: z.string().default(''),
  hugePages: z.boolean().default(false),
  /** Need not be the same. */
  limited: z.boolean().optional(),
});
export type Shape = z.infer<typeof shapeSchema>;

export function shapeOf(spec: VmSpec, version: string, { hugePages }: MemoryOptions): Shape {
  const { cpus, memoryMiB, network } = spec;
  const same = { version, cpus, memoryMiB, network: network !== undefined, disks: disksFact(spec) };
  return { ...same, hugePages: hugePages !== undefined, limited: isLimited(spec) };
}

/** Whether the VM had limits of its disks that the snapshot is of. */
export async function wasLimited(snapshotFolder: string): Promise<boolean> {
  const about = JSON.parse(await readFile(join(snapshotFolder, snapshotFiles.about), 'utf8'));
  return shapeSchema.parse(about).limited ?? false;
}
