// What a disk of a machine is. Invariant: its key says which disk it is for as long as it exists; its size only grows.
import { createHash } from 'node:crypto';
import { z } from 'zod';

export const diskSpec = z.strictObject({
  /** Unique in the machine. */
  name: z.string(),
  sizeMiB: z.int(),
  mountPath: z.string(),
  /** A key of whoever declared it: the disk outlives the machine, and is found again by it. Empty: it goes with the machine. */
  retainedAs: z.string(),
});
export type DiskSpec = z.infer<typeof diskSpec>;

/** What is kept beside a disk's content. */
export const diskRecord = z.strictObject({
  key: z.string(),
  /** Whether it outlives its machine. */
  retained: z.boolean(),
  /** Of the machine that has it, or had it last. */
  machineUid: z.string(),
  sizeMiB: z.int(),
  /** A VMM was started with it: what is in it belongs to somebody. */
  used: z.boolean(),
});
export type DiskRecord = z.infer<typeof diskRecord>;

const idLength = 24;

export function keyOf(machineUid: string, { name, retainedAs }: Pick<DiskSpec, 'name' | 'retainedAs'>): string {
  return retainedAs === '' ? `machine/${machineUid}/${name}` : `retained/${retainedAs}`;
}

/** Name of its folder. */
export function diskIdOf(key: string): string {
  return createHash('sha256').update(key).digest('hex').slice(0, idLength);
}
