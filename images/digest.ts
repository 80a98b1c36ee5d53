// Content keys and digests.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';

/** Hexadecimal sha256 over the parts, each with its length, so that no two lists of parts give the same key. */
export function keyOf(...parts: (string | Uint8Array)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${Buffer.byteLength(part)}:`).update(part);
  return hash.digest('hex');
}

/** `sha256:…` of a file. */
export async function fileDigest(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash, { signal });
  return `sha256:${hash.digest('hex')}`;
}

export type FileDigest = (path: string) => Promise<string>;

/** What tells versions of a file apart without reading it. */
export async function fileVersion(path: string): Promise<string> {
  const { size, mtimeMs, ino } = await stat(path);
  return `${size} ${mtimeMs} ${ino}`;
}

/** Remembers what was read from each file, and reads it again only when its size, time or inode changed. */
export function makeFileMemo<T>(read: (path: string) => Promise<T>): (path: string) => Promise<T> {
  const known = new Map<string, { version: string; value: T }>();
  return async (path) => {
    const version = await fileVersion(path);
    const found = known.get(path);
    if (found?.version === version) return found.value;
    const value = await read(path);
    known.set(path, { version, value });
    return value;
  };
}
