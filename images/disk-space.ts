// Room on the disk of the cache: asked for before it is used, told clearly when there is none.
import { statfs } from 'node:fs/promises';
import { TvmError } from '@tvm/api/errors.ts';

/** Removes what can be made again, if there is as much. */
export type MakeRoom = (bytes: number) => Promise<void>;

/** Throws `resource_exhausted` unless so much is free on the folder's disk, or can be made so. */
export async function requireSpace(folder: string, neededBytes: number, makeRoom: MakeRoom): Promise<void> {
  const missing = neededBytes - (await freeBytes(folder));
  if (missing <= 0) return;
  await makeRoom(missing);
  const free = await freeBytes(folder);
  if (free < neededBytes) throw diskFull(`it needs ${neededBytes} bytes and ${free} are free`);
}

export function diskFull(words: string): TvmError {
  return new TvmError('resource_exhausted', `there is no space left on the disk for the image: ${words}`, {
    reason: 'NoSpace',
    hint: 'Make room with "vvm image prune --all", or move the cache with TVM_CACHE_DIR.',
  });
}

/** Whether a program that ended with these words found its disk full. */
export function saysDiskFull(words: string): boolean {
  return /no space left|disk quota exceeded|ENOSPC|EDQUOT/i.test(words);
}

async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}
