// Copies into a machine: files and folders with modes and times. Links and special files are left out, each named.
import { createReadStream, type Stats } from 'node:fs';
import { lstat, readdir, stat } from 'node:fs/promises';
import { basename, join, posix, resolve } from 'node:path';
import { TvmError } from '@tvm/api/errors.ts';
import type { MachineFiles } from './machine-files.ts';

/** Gives what was not copied and why, a line each. Throws TvmError. */
export async function copyToMachine(
  files: MachineFiles,
  source: string,
  target: string,
  say: (path: string) => void,
): Promise<string[]> {
  const info = await stat(source).catch((cause: NodeJS.ErrnoException) => {
    throw new TvmError('not_found', `cannot read ${source}`, { cause });
  });
  const there = await files.stat(target);
  const name = basename(resolve(source));
  const root = there?.type === 'directory' && name !== '' ? posix.join(target, name) : target;
  if (target.endsWith('/') && !there) {
    throw new TvmError('not_found', `${target} is no folder of the machine`, {
      hint: 'Make it first: vvm exec NAME -- mkdir -p.',
    });
  }
  const skipped: string[] = [];
  await copyEntry(source, info, root);
  return skipped;

  async function copyEntry(path: string, entry: Stats, remote: string): Promise<void> {
    if (entry.isFile()) {
      say(path);
      await files.write(remote, createReadStream(path), entry.mode & 0o7777, entry.mtimeMs);
    } else if (entry.isDirectory()) await copyDirectory(path, entry, remote);
    else skipped.push(`${path}: ${entry.isSymbolicLink() ? 'a link' : 'neither file nor folder'}`);
  }

  async function copyDirectory(path: string, entry: Stats, remote: string): Promise<void> {
    say(path);
    await files.makeDirectory(remote, entry.mode & 0o7777);
    for (const child of (await readdir(path)).sort()) {
      await copyEntry(join(path, child), await lstat(join(path, child)), posix.join(remote, child));
    }
  }
}
