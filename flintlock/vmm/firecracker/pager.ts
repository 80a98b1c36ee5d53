// The program beside a restored Firecracker that gives it its memory page by page (pager/): it ends with the VMM, and the VMM with it
// when it cannot go on. Needed for huge pages alone.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { TvmError } from '@tvm/api/errors.ts';
import { makeCache } from '@tvm/images/cache.ts';
import type { Progress } from '@tvm/images/contract.ts';
import { makeRustProgram } from '@tvm/images/rust-program.ts';
import type { Vm } from '../driver.ts';
import { processFiles, spawnApart, stderrTail } from '../process.ts';
import { files } from './files.ts';

const crate = fileURLToPath(new URL('pager', import.meta.url));
const readyDeadlineMs = 5_000;
/** It writes no files but what it says, and has no more open than the socket, the memory and what comes with them. */
const limits = ['--core=0', '--fsize=1048576', '--nofile=32'];

/** Its path where a container image brings it: beside its sources. */
const prebuilt = join(crate, 'tvm-pager');

/** Gives the program's path; compiled when neither the cache nor a container image has it. Throws `failed_precondition`. */
export async function ensurePager(cacheDir: string, onProgress: Progress, signal: AbortSignal): Promise<string> {
  if (existsSync(prebuilt)) return prebuilt;
  const program = { folder: crate, name: 'tvm-pager', title: 'the pager', cacheFolder: 'pager' };
  return await makeRustProgram(makeCache(cacheDir), program)(onProgress, signal);
}

export interface PagerOptions {
  program: string;
  /** What Firecracker sees as its own folder. */
  root: string;
  memoryPath: string;
  /** Who it becomes; undefined: it stays flintlock's user. */
  user: number | undefined;
}

/** Listens in the VMM's folder once this resolves. To be killed when the VMM will not connect; else it ends with that. */
export async function startPager(vm: Vm, { program, root, memoryPath, user }: PagerOptions): Promise<ChildProcess> {
  // Its last words are the VMM's, which they end.
  const stderr = openSync(join(vm.folder, processFiles.stderr), 'a', 0o600);
  try {
    const args = [files.pager, memoryPath, ...(user === undefined ? [] : [String(user)])];
    const pager = spawnApart({ program, args, limits, folder: root, outputs: ['pipe', stderr] });
    pager.on('error', () => undefined); // without a process it never gets ready
    await untilReady(vm, pager);
    return pager;
  } finally {
    closeSync(stderr);
  }
}

async function untilReady(vm: Vm, pager: ChildProcess): Promise<void> {
  const done = new AbortController();
  const late = sleep(readyDeadlineMs, 'it does not get ready', { signal: done.signal }).catch(() => '');
  const ready = pager.stdout && once(pager.stdout, 'data', done).then(() => undefined);
  const ended = once(pager, 'close', done).then(() => 'it ended');
  const why = await Promise.race([ready, ended, late]).catch((cause: Error) => cause.message);
  done.abort();
  pager.stdout?.destroy();
  if (why === undefined) return;
  pager.kill('SIGKILL');
  const message = `the pager of ${vm.id} did not start: ${stderrTail(vm).trim() || why}`;
  throw new TvmError('internal', message, { object: `vm/${vm.id}`, reason: 'PagerFailed' });
}
