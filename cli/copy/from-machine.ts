// Copies out of a machine. The guest is hostile: names, links, kinds and counts are checked before anything is written.
// Invariant: nothing is written outside the target, and never through a link below it.
import { createWriteStream, type Stats } from 'node:fs';
import { chmod, lstat, mkdir, readlink, rename, rm, stat, symlink, utimes } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { TvmError } from '@tvm/api/errors.ts';
import type { FileView } from '@tvm/api/rest/microvms.ts';
import type { MachineFiles } from './machine-files.ts';
import { baseNameOf, entryName, linkStaysInside, safeMode } from './safe-path.ts';

const maxEntries = 500_000;
const maxDepth = 128;

interface Copy {
  files: MachineFiles;
  say: (path: string) => void;
  skipped: string[];
  links: { path: string; target: string; relative: string }[];
  /** Modes and times are set last, deepest first: a folder may forbid writing, and writing changes its time. */
  folders: { path: string; mode: number; mtimeMs: number }[];
  entries: number;
}

/** Gives what was not copied and why, a line each. Throws TvmError. */
export async function copyFromMachine(
  files: MachineFiles,
  source: string,
  target: string,
  say: (path: string) => void,
): Promise<string[]> {
  const info = await files.stat(source);
  if (!info) throw new TvmError('not_found', `${source} is not in the machine`);
  const base = baseNameOf(source);
  const local = await statOf(target);
  const root = resolve(local?.isDirectory() && base !== undefined ? join(target, base) : target);
  const copy: Copy = { files, say, skipped: [], links: [], folders: [], entries: 0 };
  if (info.type === 'directory') await copyDirectory(copy, source, info, root, '');
  else if (info.type === 'file') await copyFile(copy, source, root, local?.isDirectory() === false);
  else throw new TvmError('invalid_argument', `${source} is a ${info.type}, not a file or a folder`);
  for (const link of copy.links) await makeLink(copy, link);
  for (const { path, mode, mtimeMs } of copy.folders.reverse()) {
    await chmod(path, safeMode(mode));
    await setTime(path, mtimeMs);
  }
  return copy.skipped;
}

async function copyDirectory(
  copy: Copy,
  source: string,
  info: FileView,
  path: string,
  relative: string,
): Promise<void> {
  copy.say(source);
  if (relative.split('/').length > maxDepth) throw tooMuch(`folders deeper than ${maxDepth}`);
  if (!(await enterDirectory(copy, path, relative === ''))) return;
  copy.folders.push({ path, mode: info.mode, mtimeMs: info.mtimeMs });
  for (const entry of await copy.files.list(source)) {
    copy.entries += 1;
    if (copy.entries > maxEntries) throw tooMuch(`more than ${maxEntries} files`);
    const name = entryName(source, entry.path);
    if (name === undefined) copy.skipped.push(`${entry.path}: the name is not a plain one`);
    else
      await copyEntry(
        copy,
        entry,
        join(source, name),
        join(path, name),
        relative === '' ? name : `${relative}/${name}`,
      );
  }
}

async function copyEntry(copy: Copy, entry: FileView, source: string, path: string, relative: string): Promise<void> {
  if (entry.type === 'directory') return await copyDirectory(copy, source, entry, path, relative);
  if (entry.type === 'file') return await copyFile(copy, source, path, false);
  if (entry.type === 'symlink') {
    const target = entry.linkTarget ?? '';
    if (linkStaysInside(relative, target)) copy.links.push({ path, target, relative });
    else copy.skipped.push(`${source}: a link to ${target}, outside the copied folder`);
    return;
  }
  copy.skipped.push(`${source}: neither file, folder nor link`);
}

/** Makes the folder, or takes one that is there; a link in its place is not followed below the target itself. */
async function enterDirectory(copy: Copy, path: string, isRoot: boolean): Promise<boolean> {
  const there = isRoot ? await statOf(path) : await lstatOf(path);
  if (there?.isDirectory()) return true;
  if (there) {
    copy.skipped.push(`${path}: something that is no folder is in the way`);
    return false;
  }
  await mkdir(path, { mode: 0o700 });
  return true;
}

/** Writes beside the target and renames, so that a file is whole or not there, and a link in its place is replaced. */
async function copyFile(copy: Copy, source: string, path: string, follow: boolean): Promise<void> {
  copy.say(source);
  const there = follow ? await statOf(path) : await lstatOf(path);
  if (there?.isDirectory()) {
    copy.skipped.push(`${path}: a folder is in the way`);
    return;
  }
  if (there && !there.isFile() && !there.isSymbolicLink()) return await copyInto(copy, source, path);
  const fresh = `${path}.tvm-${process.pid}`;
  try {
    const { info, content } = await copy.files.read(source);
    await pipeline(content, createWriteStream(fresh, { flags: 'wx', mode: 0o600 }));
    await chmod(fresh, safeMode(info.mode));
    await setTime(fresh, info.mtimeMs);
    await rename(fresh, path);
  } finally {
    await rm(fresh, { force: true });
  }
}

/** A device or a pipe that the user named (/dev/stdout) gets the bytes. */
async function copyInto(copy: Copy, source: string, path: string): Promise<void> {
  const { content } = await copy.files.read(source);
  await pipeline(content, createWriteStream(path));
}

async function makeLink(copy: Copy, { path, target, relative }: Copy['links'][number]): Promise<void> {
  const there = await lstatOf(path);
  if (there?.isSymbolicLink() && (await readlink(path)) === target) return;
  if (there) copy.skipped.push(`${relative}: something is in the way of the link`);
  else await symlink(target, path);
}

/** Times of a guest can be anything. */
async function setTime(path: string, mtimeMs: number): Promise<void> {
  const seconds = mtimeMs / 1000;
  if (Number.isFinite(seconds) && seconds >= 0 && seconds < 2 ** 33) await utimes(path, seconds, seconds);
}

async function lstatOf(path: string): Promise<Stats | undefined> {
  return await lstat(path).catch(ifMissing);
}

async function statOf(path: string): Promise<Stats | undefined> {
  return await stat(path).catch(ifMissing);
}

function ifMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT') return undefined;
  throw error;
}

function tooMuch(what: string): TvmError {
  return new TvmError('resource_exhausted', `the machine has ${what} in this folder`, {
    hint: 'Pack them in the machine (vvm exec NAME -- tar c PATH > files.tar).',
  });
}
