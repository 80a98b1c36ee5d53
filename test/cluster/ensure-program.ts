// A program that must be there: found in PATH, else installed as its Debian package.
import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { TvmError } from '@tvm/api/errors.ts';
import { environmentWith } from '../config.ts';
import { outputOf } from './run-command.ts';

/** The path of `program`; undefined when PATH has none. */
export async function findProgram(program: string, path = environmentWith({}).PATH ?? ''): Promise<string | undefined> {
  for (const folder of path.split(delimiter)) {
    const file = join(folder, program);
    const found = await access(file, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return file;
  }
  return undefined;
}

/** Installs `debianPackage` when `program` is missing; without root or apt-get a TvmError says what to install. */
export async function ensureProgram(
  program: string,
  debianPackage: string,
  say: (line: string) => void,
): Promise<void> {
  if (await findProgram(program)) return;
  if (process.getuid?.() !== 0 || !(await findProgram('apt-get'))) {
    throw new TvmError('failed_precondition', `${program} is missing`, {
      hint: `Install the package ${debianPackage}.`,
    });
  }
  say(`installing ${debianPackage}`);
  const env = environmentWith({ DEBIAN_FRONTEND: 'noninteractive' });
  await outputOf('apt-get', ['update', '-qq'], { env });
  await outputOf('apt-get', ['install', '-y', '-qq', '--no-install-recommends', debianPackage], { env });
}
