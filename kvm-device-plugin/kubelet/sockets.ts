// The sockets of this resource's plugins in the kubelet's folder, told apart by name: `tvm-kvm-MILLISECONDS-RANDOM.sock`.
// Invariant: of those that answer, the one with the lowest name is the oldest, and serves.
import { randomBytes } from 'node:crypto';
import { lstat, readdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';

const namePattern = /^tvm-kvm-\d{13}-[0-9a-f]{8}\.sock$/;

/** The longest path that a Unix socket can have, in bytes. */
export const maxSocketPathBytes = 107;

export function newSocketName(nowMs: number): string {
  return `tvm-kvm-${String(Math.trunc(nowMs)).padStart(13, '0')}-${randomBytes(4).toString('hex')}.sock`;
}

export interface Others {
  /** Names of those that answer. */
  living: string[];
  /** Names of those that do not. */
  dead: string[];
}

/** The sockets of plugins of this resource other than `own`. An absent folder has none. */
export async function findOthers(folder: string, own: string | undefined): Promise<Others> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const names = entries.flatMap((entry) =>
    entry.isSocket() && namePattern.test(entry.name) && entry.name !== own ? [entry.name] : [],
  );
  const found = await Promise.all(names.map(async (name) => ({ name, answers: await answers(join(folder, name)) })));
  return {
    living: found.flatMap(({ name, answers }) => (answers === 'yes' ? [name] : [])),
    dead: found.flatMap(({ name, answers }) => (answers === 'no' ? [name] : [])),
  };
}

/** Which socket is at the path: a value that another one at the same path does not have. */
export async function socketIdentity(path: string): Promise<string | undefined> {
  const found = await lstat(path, { bigint: true }).catch(() => undefined);
  return found?.isSocket() ? `${found.dev}:${found.ino}:${found.mtimeNs}` : undefined;
}

/** A refusal means that nobody listens; any other failure says nothing about that. */
function answers(path: string): Promise<'yes' | 'no' | 'gone' | 'unknown'> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve('yes');
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED') resolve('no');
      else resolve(error.code === 'ENOENT' ? 'gone' : 'unknown');
    });
  });
}
