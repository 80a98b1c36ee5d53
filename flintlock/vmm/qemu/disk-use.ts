// What a guest has read from its disks and written to them, as QEMU counts it. Invariant: disks of the guest alone count.
import { z } from 'zod';
import type { VmUsage } from '../driver.ts';
import type { Qmp } from './qmp.ts';

const blockStats = z.array(
  z.object({
    qdev: z.string().optional(),
    stats: z.object({
      rd_bytes: z.number(),
      wr_bytes: z.number(),
      rd_operations: z.number(),
      wr_operations: z.number(),
    }),
  }),
);

export async function diskUseOf(qmp: Qmp): Promise<NonNullable<VmUsage['disk']>> {
  return sumOf(await qmp.execute('query-blockstats'));
}

export function sumOf(answer: unknown): NonNullable<VmUsage['disk']> {
  const sum = { readBytes: 0, writtenBytes: 0, reads: 0, writes: 0 };
  for (const { qdev, stats } of blockStats.parse(answer)) {
    if (qdev === undefined) continue;
    sum.readBytes += stats.rd_bytes;
    sum.writtenBytes += stats.wr_bytes;
    sum.reads += stats.rd_operations;
    sum.writes += stats.wr_operations;
  }
  return sum;
}
