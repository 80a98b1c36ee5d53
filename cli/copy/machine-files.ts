// The files of one machine over REST. Invariant: content streams; nothing is held whole in memory.
import { Readable } from 'node:stream';
import { TvmError } from '@tvm/api/errors.ts';
import { type FileView, fileView } from '@tvm/api/rest/microvms.ts';
import { z } from 'zod';
import type { RestClient } from '../client/rest-client.ts';

const listing = z.object({ files: z.array(fileView) });

export interface MachineFiles {
  /** Undefined when there is nothing. */
  stat(path: string): Promise<FileView | undefined>;
  /** The entries of a directory. */
  list(path: string): Promise<FileView[]>;
  read(path: string): Promise<{ info: FileView; content: Readable }>;
  write(path: string, content: Readable, mode: number, mtimeMs: number): Promise<void>;
  /** Fine when it is there already. */
  makeDirectory(path: string, mode: number): Promise<void>;
}

export function makeMachineFiles(client: RestClient, machine: string, namespace: string | undefined): MachineFiles {
  const base = `/v1/microvms/${encodeURIComponent(machine)}/files`;
  return {
    async stat(path) {
      try {
        return fileView.parse(await client.json({ path: `${base}/stat`, query: { path, namespace } }));
      } catch (error) {
        if (error instanceof TvmError && error.code === 'not_found' && !isAboutMachine(error)) return undefined;
        throw error;
      }
    },
    async list(path) {
      return listing.parse(await client.json({ path: base, query: { path, namespace } })).files;
    },
    async read(path) {
      const response = await client.raw({ path: `${base}/content`, query: { path, namespace } });
      if (!response.body) throw new TvmError('internal', `reading ${path}: the answer has no content`);
      return { info: infoOf(response, path), content: Readable.fromWeb(response.body) };
    },
    async write(path, content, mode, mtimeMs) {
      const query = { path, mode, mtimeMs: Math.floor(mtimeMs), namespace };
      await client.json({
        method: 'PUT',
        path: `${base}/content`,
        query,
        body: Readable.toWeb(content) as ReadableStream,
      });
    },
    async makeDirectory(path, mode) {
      const json = { operation: 'makeDirectory', path, mode };
      try {
        await client.json({ method: 'POST', path: base, query: { namespace }, json });
      } catch (error) {
        if (!(error instanceof TvmError) || error.code !== 'already_exists') throw error;
      }
    },
  };
}

function isAboutMachine(error: TvmError): boolean {
  return error.object?.startsWith('microvm/') === true && error.reason !== 'FileNotFound';
}

function infoOf(response: Response, path: string): FileView {
  const header = response.headers.get('tvm-file');
  const parsed = fileView.safeParse(header === null ? undefined : parseJson(header));
  if (parsed.success) return parsed.data;
  throw new TvmError('internal', `reading ${path}: the answer does not describe the file`);
}

function parseJson(header: string): unknown {
  try {
    return JSON.parse(decodeURIComponent(header));
  } catch {
    return undefined;
  }
}
