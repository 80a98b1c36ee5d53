// The kubectl of the Debian release that this machine runs, which is years older than the cluster: what many people have.
// Invariant: it is unpacked into the cache and not installed, so that the system keeps the kubectl it has.
import { access, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestConfig } from '../config.ts';
import { outputOf } from './run-command.ts';

const debianPackage = 'kubernetes-client';

type Source = Pick<TestConfig, 'cacheFolder' | 'debianKubectl'>;

/** The path of the program. `say` gets lines of progress. */
export async function obtainDebianKubectl(source: Source, say: (line: string) => void): Promise<string> {
  if (source.debianKubectl) return source.debianKubectl;
  const kept = join(source.cacheFolder, 'kubernetes', debianPackage);
  const program = join(kept, 'usr/bin/kubectl');
  if (!(await exists(program))) await unpackInto(kept, say);
  return program;
}

async function unpackInto(kept: string, say: (line: string) => void): Promise<void> {
  await mkdir(join(kept, '..'), { recursive: true });
  const fresh = await mkdtemp(`${kept}.new-`);
  try {
    say(`getting Debian's ${debianPackage}`);
    await download(fresh);
    const [archive = ''] = (await readdir(fresh)).filter((name) => name.endsWith('.deb'));
    await outputOf('dpkg-deb', ['-x', join(fresh, archive), join(fresh, 'root')]);
    await rm(kept, { recursive: true, force: true });
    await rename(join(fresh, 'root'), kept);
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
}

/** With the package lists that there are, else with new ones. */
async function download(cwd: string): Promise<void> {
  const get = () => outputOf('apt-get', ['download', '-qq', debianPackage], { cwd });
  try {
    await get();
  } catch {
    await outputOf('apt-get', ['update', '-qq']);
    await get();
  }
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
