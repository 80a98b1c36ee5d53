// Folder to squashfs. Uncompressed on purpose: under emulation a guest starts fastest from it, and host pages are shared.
import { TvmError } from '@tvm/api/errors.ts';
import { diskFull, saysDiskFull } from './disk-space.ts';
import { withRootRights } from './root-rights.ts';
import { runChecked } from './run-command.ts';

const timeoutMs = 20 * 60_000;

/** Writes `file` from the content of `root`, owners and modes kept, without the folders in `excluded` (relative to the root). */
export async function makeSquashfs(root: string, file: string, excluded: string[], signal: AbortSignal): Promise<void> {
  const exclusions = excluded.length > 0 ? ['-wildcards', '-e', ...excluded] : [];
  const packing = runChecked(
    withRootRights({
      program: 'mksquashfs',
      args: [root, file, '-quiet', '-no-progress', '-noappend', '-noI', '-noD', '-noF', '-noX', ...exclusions],
      timeoutMs,
      signal,
    }),
  );
  await packing.catch((thrown) => {
    const error = TvmError.from(thrown);
    throw saysDiskFull(error.message) ? diskFull(error.message) : error;
  });
}
