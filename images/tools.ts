// The programs that the store needs, and the Debian package that brings each.
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import { TvmError } from '@tvm/api/errors.ts';
import { programFolders } from './config.ts';

const packageOfTool: Record<string, string> = {
  'apt-cache': 'apt',
  'apt-config': 'apt',
  'apt-get': 'apt',
  buildah: 'buildah',
  'dpkg-deb': 'dpkg',
  flock: 'util-linux',
  make: 'make',
  mksquashfs: 'squashfs-tools',
  mmdebstrap: 'mmdebstrap',
  objcopy: 'binutils',
  prlimit: 'util-linux',
  setpriv: 'util-linux',
  skopeo: 'skopeo',
  tar: 'tar',
  umoci: 'umoci',
  unshare: 'util-linux',
  xz: 'xz-utils',
};

/** The absolute path of a program; `failed_precondition` with the package to install when it is missing. */
export function requireTool(name: string): string {
  const path = findTool(name);
  if (path) return path;
  const debianPackage = packageOfTool[name] ?? name;
  throw new TvmError('failed_precondition', `the program ${name} is not installed`, {
    reason: 'ToolMissing',
    hint: `Install it with: apt-get install ${debianPackage}`,
  });
}

/** The absolute path of a program, or undefined. */
export function findTool(name: string): string | undefined {
  if (name.includes('/')) return isExecutable(name) ? name : undefined;
  return programFolders.map((folder) => join(folder, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Whether a file can be read. */
export function canRead(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}
