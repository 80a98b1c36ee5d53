// What a guest has read from its disks and written to them. Firecracker tells what came since it last told: the sum is kept in the
// VM's folder, so that a flintlock that is started later goes on with it. Invariant: a sum never falls while its VMM lives.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { Vm, VmUsage } from '../driver.ts';
import { files } from './files.ts';

type DiskUse = NonNullable<VmUsage['disk']>;

const count = z.int().min(0);
const kept = z.object({ readBytes: count, writtenBytes: count, reads: count, writes: count });
/** Of all its disks together. */
const told = z.object({
  block: z.object({ read_bytes: count, write_bytes: count, read_count: count, write_count: count }),
});

export function addDiskUse({ folder }: Vm, metrics: unknown): void {
  const { data } = told.safeParse(metrics);
  if (!data) return;
  const { read_bytes, write_bytes, read_count, write_count } = data.block;
  const before = diskUseOf({ folder });
  const sum: DiskUse = {
    readBytes: before.readBytes + read_bytes,
    writtenBytes: before.writtenBytes + write_bytes,
    reads: before.reads + read_count,
    writes: before.writes + write_count,
  };
  writeFileSync(join(folder, files.diskUse), JSON.stringify(sum), { mode: 0o600 });
}

export function diskUseOf({ folder }: Pick<Vm, 'folder'>): DiskUse {
  try {
    return kept.parse(JSON.parse(readFileSync(join(folder, files.diskUse), 'utf8')));
  } catch {
    return { readBytes: 0, writtenBytes: 0, reads: 0, writes: 0 };
  }
}
