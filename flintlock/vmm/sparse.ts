// Files of memory, most of which is zeros: holes in them cost nothing.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const execute = promisify(execFile);

/** Copies a file, or a folder with all that is in it. Holes stay holes, and blocks are shared where the filesystem can. */
export async function copySparse(from: string, to: string): Promise<void> {
  const options = ['--recursive', '--sparse=always', '--reflink=auto', '--no-target-directory'];
  await execute('cp', [...options, '--', from, to]);
}

/** Frees the blocks of a file that hold only zeros. A filesystem without holes keeps them. */
export async function digHoles(path: string): Promise<void> {
  await execute('fallocate', ['--dig-holes', path]).catch((error) => {
    if (!/not supported/i.test(String(error.stderr))) throw error;
  });
}
