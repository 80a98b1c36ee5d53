// Which Firecracker this host has.
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { firecrackerFolder } from '@tvm/kit/firecracker-release.ts';

/** The Firecracker to use: the one that was named, the one that "vvm doctor" installed, or one in PATH as a path. */
export function findFirecracker(named: string | undefined, cacheDir: string, path: string): string {
  if (named?.includes('/')) return named;
  const installed = join(firecrackerFolder(cacheDir), 'firecracker');
  if (named === undefined && existsSync(installed)) return installed;
  const name = named ?? 'firecracker';
  return (
    path
      .split(delimiter)
      .map((folder) => join(folder, name))
      .find(existsSync) ?? name
  );
}
