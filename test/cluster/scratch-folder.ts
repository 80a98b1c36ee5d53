// A temporary folder that goes away with its owner, also when that is killed: a shell waits for the end of a pipe.
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface ScratchFolder extends AsyncDisposable {
  path: string;
}

/** A new folder of mode 0700, named after `purpose`. */
export async function makeScratchFolder(purpose: string): Promise<ScratchFolder> {
  const path = await mkdtemp(join(tmpdir(), `tvm-${purpose}-`));
  const remove = 'read -r _; for i in 1 2 3 4 5; do rm -rf "$0" 2>/dev/null && exit; sleep 1; done';
  const watchdog = spawn('sh', ['-c', remove, path], { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
  watchdog.unref();
  return {
    path,
    [Symbol.asyncDispose]: async () => {
      await rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
      watchdog.stdin.end('\n');
    },
  };
}
