// The release of Firecracker that TVM installs, pinned here alone by version and checksum of its archive, and which one is used.
import { existsSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';

export const firecrackerRelease = {
  version: '1.16.1',
  baseUrl: 'https://github.com/firecracker-microvm/firecracker/releases/download',
  /** Of firecracker-v1.16.1-x86_64.tgz, as published beside it. */
  sha256: '382a02a869e4d6d5cb14c40577f9545e8458021ea8b0b2d3fc10ec14d9c242e6',
  sizeBytes: 7_486_686,
} as const;

/** The first that takes free memory from guests as more than a preview, and whose snapshots of what changed are right beyond 3 GiB. */
export const oldestFirecracker = '1.15';

/** One that does not tell its version is taken for new enough. */
export function isTooOld(version: string): boolean {
  return version.localeCompare(oldestFirecracker, 'en', { numeric: true }) < 0;
}

/** Where `firecracker` and `jailer` of the pinned release are once they are installed. */
export function firecrackerFolder(cacheDir: string): string {
  return join(cacheDir, 'firecracker', firecrackerRelease.version);
}

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

/** Its jailer: the one that was named, else the one beside it, else what PATH has. */
export function findJailer(named: string | undefined, firecracker: string): string {
  const beside = join(dirname(firecracker), 'jailer');
  return named ?? (firecracker.includes('/') && existsSync(beside) ? beside : 'jailer');
}
