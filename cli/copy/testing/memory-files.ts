// The files of a machine in memory. A hostile guest answers whatever the test puts in.
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { TvmError } from '@tvm/api/errors.ts';
import type { FileView } from '@tvm/api/rest/microvms.ts';
import type { MachineFiles } from '../machine-files.ts';

export interface MemoryEntry {
  type: FileView['type'];
  content?: Buffer;
  mode?: number;
  mtimeMs?: number;
  linkTarget?: string;
}

/** By path. A directory's entries are those directly below it, unless `listings` says otherwise. */
export function makeMemoryFiles(entries: Map<string, MemoryEntry>, listings = new Map<string, FileView[]>()) {
  const view = (path: string, entry: MemoryEntry): FileView => ({
    path,
    type: entry.type,
    size: entry.content?.length ?? 0,
    mode: entry.mode ?? 0o644,
    uid: 0,
    gid: 0,
    mtimeMs: entry.mtimeMs ?? 1_000_000_000_000,
    ...(entry.linkTarget !== undefined && { linkTarget: entry.linkTarget }),
  });
  const files: MachineFiles = {
    async stat(path) {
      const entry = entries.get(path);
      return entry && view(path, entry);
    },
    async list(path) {
      const below = [...entries].filter(([name]) => name.slice(0, name.lastIndexOf('/')) === path && name !== path);
      return listings.get(path) ?? below.map(([name, entry]) => view(name, entry));
    },
    async read(path) {
      const entry = entries.get(path) ?? { type: 'file', content: Buffer.from('hostile') };
      return { info: view(path, entry), content: Readable.from([entry.content ?? Buffer.alloc(0)]) };
    },
    async write(path, content, mode, mtimeMs) {
      entries.set(path, { type: 'file', content: await buffer(content), mode, mtimeMs });
    },
    async makeDirectory(path, mode) {
      if (path === '') throw new TvmError('invalid_argument', 'no path');
      if (!entries.has(path)) entries.set(path, { type: 'directory', mode });
    },
  };
  return files;
}
