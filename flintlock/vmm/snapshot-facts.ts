// What a VM must have in common with the one that a snapshot is of: kept beside the snapshot, compared before it is used.
import { readFile } from 'node:fs/promises';
import { TvmError } from '@tvm/api/errors.ts';
import type { z } from 'zod';

/** Throws `failed_precondition` when a VM with the facts `wanted` cannot go on from the snapshot whose facts are at `path`. */
export async function checkFacts<Facts extends object>(
  path: string,
  schema: z.ZodType<Facts>,
  wanted: Facts,
): Promise<void> {
  const facts = schema.parse(JSON.parse(await readFile(path, 'utf8')));
  for (const key of Object.keys(wanted) as (keyof Facts & string)[]) {
    if (facts[key] === wanted[key]) continue;
    const message = `the snapshot was made with ${key} ${facts[key]}, the machine has ${wanted[key]}`;
    throw new TvmError('failed_precondition', message, { reason: 'SnapshotIncompatible' });
  }
}
