// A temporary folder that goes away with its owner, also when that is killed.
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cleanUpAfterwards } from './watchdog.ts';

export interface ScratchFolder extends AsyncDisposable {
  path: string;
}

const remove = 'for i in 1 2 3 4 5; do rm -rf "$0" 2>/dev/null && exit; sleep 1; done';

/** A new folder of mode 0700, named after `purpose`. */
export async function makeScratchFolder(purpose: string): Promise<ScratchFolder> {
  const path = await mkdtemp(join(tmpdir(), `tvm-${purpose}-`));
  return { path, ...cleanUpAfterwards(remove, [path]) };
}
