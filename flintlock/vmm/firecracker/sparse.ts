// Firecracker writes all of a guest's memory, also the pages that hold nothing but zeros.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** Frees the blocks of a file that hold only zeros. A filesystem without holes keeps them. */
export async function digHoles(path: string): Promise<void> {
  await promisify(execFile)('fallocate', ['--dig-holes', path]).catch((error) => {
    if (!/not supported/i.test(String(error.stderr))) throw error;
  });
}
