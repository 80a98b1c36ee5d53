// The library that keeps QEMU from opening a snapshot's memory for writing: as it came with a container image, or compiled
// once a state folder.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { TvmError } from '@tvm/api/errors.ts';

const execute = promisify(execFile);
const sourcePath = fileURLToPath(new URL('private-memory.c', import.meta.url));
const prebuiltPath = sourcePath.replace(/\.c$/, '.so');

/** Absolute path of the library. Throws `failed_precondition`. */
export async function privateMemoryLibrary(folder: string): Promise<string> {
  if (existsSync(prebuiltPath)) return prebuiltPath;
  const digest = createHash('sha256')
    .update(await readFile(sourcePath))
    .digest('hex')
    .slice(0, 16);
  const path = join(folder, `private-memory-${digest}.so`);
  if (!existsSync(path)) {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const unfinished = `${path}.${process.pid}`;
    await compilePrivateMemory(sourcePath, unfinished);
    await rename(unfinished, path);
  }
  return path;
}

/** Throws `failed_precondition`. */
export async function compilePrivateMemory(source: string, target: string): Promise<void> {
  try {
    await execute('gcc', ['-O2', '-Wall', '-shared', '-fPIC', '-nostartfiles', '-o', target, source]);
  } catch (cause) {
    throw new TvmError('failed_precondition', 'private-memory.c cannot be compiled', {
      cause,
      hint: 'Install a compiler: apt-get install gcc libc6-dev.',
    });
  }
}
