// A secret for a child program as a file without a name. Invariant: it is in memory (tmpfs), only this user can open it while
// it is empty, and when the last descriptor closes, however this process ends, it is gone.
import { randomBytes } from 'node:crypto';
import { type FileHandle, open, statfs, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { TvmError } from '@tvm/api/errors.ts';

const tmpfsMagic = 0x01021994;
const folder = '/dev/shm';

/** The child gets `handle.fd` as one of its descriptors and opens it by `/proc/self/fd`. */
export async function openSecret(text: string): Promise<FileHandle> {
  const { type } = await statfs(folder).catch(() => ({ type: 0 }));
  if (type !== tmpfsMagic) {
    const message = `${folder} is no memory file system: credentials cannot be handed on without writing them to a disk`;
    throw new TvmError('failed_precondition', message, { hint: `Mount a tmpfs on ${folder}.` });
  }
  const path = join(folder, `.tvm-${randomBytes(16).toString('hex')}`);
  const handle = await open(path, 'wx+', 0o600);
  try {
    await unlink(path);
    await handle.writeFile(text);
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}
