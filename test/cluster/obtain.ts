// Finds or makes the Kubernetes programs that the tests run: a named folder, the cache, an archive, or a build.
// Invariant: a folder in the cache is complete, since it is renamed into place once it works.
import { access, constants, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { TvmError } from '@tvm/api/errors.ts';
import type { TestConfig } from '../config.ts';
import { buildKubernetes, kubernetesVersion, programs } from './build.ts';
import { ensureProgram } from './ensure-program.ts';
import { outputOf } from './run-command.ts';

/** Of the folder in the cache: the version, and that it has a node's programs too. */
export const cacheName = `${kubernetesVersion}-node`;

type Source = Pick<TestConfig, 'cacheFolder' | 'kubernetesBin' | 'kubernetesArchive' | 'neighbourArchive'>;

/** The folder that holds the programs that build.ts names. `say` gets lines of progress. */
export async function obtainKubernetes(source: Source, say: (line: string) => void): Promise<string> {
  if (source.kubernetesBin) {
    await check(source.kubernetesBin);
    return source.kubernetesBin;
  }
  const kept = join(source.cacheFolder, 'kubernetes', cacheName);
  if (!(await isComplete(kept))) await fillCache(kept, source, say);
  return join(kept, 'bin');
}

async function fillCache(kept: string, source: Source, say: (line: string) => void): Promise<void> {
  await mkdir(join(kept, '..'), { recursive: true });
  const fresh = await mkdtemp(`${kept}.new-`);
  try {
    await fill(fresh, source, say);
    for (const left of ['src', 'go']) await rm(join(fresh, left), { recursive: true, force: true });
    await putInPlace(fresh, kept);
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
}

/** An archive that was named must do; one that happens to lie there need not. */
async function fill(fresh: string, source: Source, say: (line: string) => void): Promise<void> {
  const archive = await findArchive(source);
  if (archive) {
    try {
      await unpack(archive, fresh, say);
      return await checkAll(join(fresh, 'bin'));
    } catch (error) {
      if (archive === source.kubernetesArchive) throw error;
      say(`${archive} is not used: ${TvmError.from(error).message}`);
      await rm(join(fresh, 'bin'), { recursive: true, force: true });
    }
  }
  await buildKubernetes(fresh, say);
  await checkAll(join(fresh, 'bin'));
}

/** The version is right, and what is seldom used works too. */
async function checkAll(bin: string): Promise<void> {
  await check(bin);
  await outputOf(join(bin, 'kwok'), ['--version']);
}

async function unpack(archive: string, folder: string, say: (line: string) => void): Promise<void> {
  say(`unpacking ${archive}`);
  if (archive.endsWith('.xz')) await ensureProgram('xz', 'xz-utils', say);
  await outputOf('tar', ['-xf', archive, '-C', folder, '--no-same-owner', 'bin']);
}

/**
 * Another process may have filled the cache in the meantime: its result is as good. What lacks a program gives way, aside in
 * one step, so that nothing is removed of what another puts there at the same time.
 */
async function putInPlace(fresh: string, kept: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await rename(fresh, kept);
    } catch (error) {
      if (await isComplete(kept)) return;
      if (attempt === 3) throw error;
    }
    const aside = `${fresh}.old`;
    await rename(kept, aside).catch(() => undefined); // another has done it
    await rm(aside, { recursive: true, force: true });
  }
}

async function isComplete(folder: string): Promise<boolean> {
  const there = await Promise.all(programs.map((program) => exists(join(folder, 'bin', program))));
  return there.every(Boolean);
}

async function check(bin: string): Promise<void> {
  for (const program of programs) {
    if (!(await exists(join(bin, program)))) throw new TvmError('failed_precondition', `${bin} has no ${program}`);
  }
  const version = await outputOf(join(bin, 'kube-apiserver'), ['--version']);
  if (!version.includes(`v${kubernetesVersion}`)) {
    throw new TvmError('failed_precondition', `${bin} holds ${version.trim()}, the tests need v${kubernetesVersion}`);
  }
}

async function findArchive({ kubernetesArchive: named, neighbourArchive }: Source): Promise<string | undefined> {
  if (named && !(await exists(named))) throw new TvmError('not_found', `TVM_KUBERNETES_ARCHIVE: there is no ${named}`);
  if (named) return named;
  return (await exists(neighbourArchive)) ? neighbourArchive : undefined;
}

function exists(path: string): Promise<boolean> {
  return access(path, constants.R_OK).then(
    () => true,
    () => false,
  );
}
