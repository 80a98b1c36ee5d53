// What a dynamically linked program needs of the host, found by asking its loader, and QEMU for the folders of its firmware.
import { execFile } from 'node:child_process';
import { existsSync, lstatSync, readlinkSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { TvmError } from '@tvm/api/errors.ts';
import { type ProgramFiles, setprivPath } from './sandbox.ts';

const execute = promisify(execFile);
const systemFolders = ['/usr/local/bin', '/usr/bin', '/bin'];
const topLinks = ['/lib', '/lib64'];
const loaderCache = '/etc/ld.so.cache';

/** Throws `failed_precondition` when the program is not installed, or `ldd` cannot read it. */
export async function filesOfQemu(name: string): Promise<ProgramFiles> {
  const program = systemFolders.map((folder) => join(folder, name)).find((path) => existsSync(path));
  if (program === undefined) throw new TvmError('failed_precondition', `${name} is not in ${systemFolders.join(', ')}`);
  const asked = [
    execute('ldd', [program, setprivPath]).then(({ stdout }) => librariesIn(stdout).flatMap(foldersOf)),
    execute(program, ['-L', 'help']).then(({ stdout }) => stdout.split('\n').filter((path) => existsSync(path))),
  ];
  const found = (await Promise.all(asked)).flat().filter((path) => path !== '');
  const paths = new Set(found.map((path) => realpathSync(path)));
  if (existsSync(loaderCache)) paths.add(loaderCache);
  return { program, paths: [...paths], links: topLinks.flatMap(linkAt) };
}

/** Paths in the output of `ldd`. */
export function librariesIn(output: string): string[] {
  return [...output.matchAll(/(?:=> |^\s+)(\/\S+) \(0x/gm)].flatMap(([, path]) => path ?? []);
}

/** A library is looked for where it is named, and lies where that leads. */
function foldersOf(library: string): string[] {
  return [dirname(library), dirname(realpathSync(library))];
}

function linkAt(name: string) {
  const isLink = lstatSync(name, { throwIfNoEntry: false })?.isSymbolicLink();
  return isLink ? [{ name, target: readlinkSync(name) }] : [];
}
