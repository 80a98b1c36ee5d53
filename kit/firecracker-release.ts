// The release of Firecracker that TVM installs and finds: pinned here alone, by version and checksum of its archive.
import { join } from 'node:path';

export const firecrackerRelease = {
  version: '1.16.1',
  baseUrl: 'https://github.com/firecracker-microvm/firecracker/releases/download',
  /** Of firecracker-v1.16.1-x86_64.tgz, as published beside it. */
  sha256: '382a02a869e4d6d5cb14c40577f9545e8458021ea8b0b2d3fc10ec14d9c242e6',
  sizeBytes: 7_486_686,
} as const;

/** Where `firecracker` and `jailer` of the pinned release are once they are installed. */
export function firecrackerFolder(cacheDir: string): string {
  return join(cacheDir, 'firecracker', firecrackerRelease.version);
}
