// The folder under which everything that can be made again lives. Invariants: what has a final name is complete (published
// by rename); what is half-made lies in a staging folder that names its maker and is swept once the maker is gone.
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readdir, readFile, rename } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { TvmError } from '@tvm/api/errors.ts';
import { holdLock } from './lock.ts';
import { removeTree } from './root-rights.ts';

export interface Staging extends AsyncDisposable {
  path: string;
}

export interface Cache {
  /** A path below the cache folder; nothing is created. */
  path(...parts: string[]): string;
  /** A new empty folder that is removed when disposed of, unless published before. */
  staging(): Promise<Staging>;
  /** Gives a staged folder its final name. When another maker was first, theirs stays. Returns the final path. */
  publish(staging: Staging, ...parts: string[]): Promise<string>;
  /** Runs `work` while no other process of this host holds the lock of that name. */
  locked<T>(name: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T>;
  /** Removes what makers left behind that no longer run. */
  sweep(): Promise<void>;
}

export function makeCache(cacheDir: string): Cache {
  const path = (...parts: string[]) => resolve(cacheDir, ...parts);
  const stagingDir = path('staging');
  return {
    path,
    async staging() {
      const folder = join(stagingDir, `${await ownerName(process.pid)}.${randomBytes(6).toString('hex')}`);
      await mkdir(folder, { recursive: true, mode: 0o700 });
      return { path: folder, [Symbol.asyncDispose]: () => removeTree(folder) };
    },
    async publish(staging, ...parts) {
      const destination = path(...parts);
      await mkdir(dirname(destination), { recursive: true });
      // Staging folders are private, since images hold setuid programs; what is published may be read by a VMM of another user.
      await chmod(staging.path, 0o755);
      await rename(staging.path, destination).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
      });
      return destination;
    },
    async locked(name, signal, work) {
      await mkdir(path('locks'), { recursive: true });
      await using _lock = await holdLock(path('locks', `${name}.lock`), signal);
      return await work();
    },
    async sweep() {
      for (const entry of await readdir(stagingDir).catch(emptyWhenMissing)) {
        if (!(await ownerLives(entry))) await removeTree(join(stagingDir, entry));
      }
    },
  };
}

function emptyWhenMissing(error: NodeJS.ErrnoException): string[] {
  if (error.code === 'ENOENT') return [];
  throw error;
}

/** `PID-STARTTIME`: unlike a bare pid it never names a later process. */
async function ownerName(pid: number): Promise<string> {
  const startTicks = await processStartTicks(pid);
  if (startTicks === undefined) throw new TvmError('internal', `process ${pid} is not in /proc`);
  return `${pid}-${startTicks}`;
}

async function ownerLives(entry: string): Promise<boolean> {
  const owner = /^(\d+)-(\d+)\./.exec(entry);
  if (!owner) return false;
  return (await processStartTicks(Number(owner[1]))) === owner[2];
}

async function processStartTicks(pid: number): Promise<string | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in parentheses and may hold spaces; the start time is the 22nd.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') return undefined;
    throw error;
  }
}
