// How a local machine's paths map to this computer's: "/" of the machine is a folder.
import { join, normalize } from 'node:path';

/** Where the machine's absolute path lies. Throws nothing: ".." stays below the folder. */
export function hostPath(root: string, path: string): string {
  return join(root, normalize(`/${path}`));
}

/** What the machine calls a path of this computer. */
export function guestPath(root: string, path: string): string {
  return path === root ? '/' : path.slice(root.length);
}
