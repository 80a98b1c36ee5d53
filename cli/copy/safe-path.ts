// Names that come from a guest, before they touch this machine's files. Pure.
// Invariant: a path that passes stays below the folder it is joined to.
import { posix } from 'node:path';

/** The name of a directory's entry, or undefined when it is no single plain name (hostile or damaged). */
export function entryName(directory: string, path: string): string | undefined {
  const prefix = directory.endsWith('/') ? directory : `${directory}/`;
  const name = path.startsWith(prefix) ? path.slice(prefix.length) : path;
  return isPlainName(name) ? name : undefined;
}

export function isPlainName(name: string): boolean {
  if (name === '' || name === '.' || name === '..') return false;
  return !name.includes('/') && !name.includes('\0') && Buffer.byteLength(name) <= 255;
}

/** Whether a link at `relativePath` (below the copied folder) that points to `target` stays inside the folder. */
export function linkStaysInside(relativePath: string, target: string): boolean {
  if (target === '' || target.startsWith('/') || target.includes('\0')) return false;
  // Every step must stay inside: "a/../../x" leaves the folder on its way even when it ends inside.
  let depth = relativePath.split('/').length - 1;
  for (const step of target.split('/')) {
    if (step === '..') depth -= 1;
    else if (step !== '' && step !== '.') depth += 1;
    if (depth < 0) return false;
  }
  return true;
}

/** Permission bits that may come from a guest: no set-user-id, set-group-id, sticky. */
export function safeMode(mode: number): number {
  return mode & 0o777;
}

/** The last name of a path in a machine; undefined for the root. */
export function baseNameOf(path: string): string | undefined {
  const name = posix.basename(posix.normalize(path));
  return isPlainName(name) ? name : undefined;
}
