// Files of a local machine: real ones below its folder, as a flintlock tells of them.
import { type Stats, watch as watchFolder } from 'node:fs';
import { appendFile, lstat, mkdir, open, readdir, readlink, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { TvmError } from '@tvm/api/errors.ts';
import type {
  FileOperationRequest,
  ReadFileRequest,
  WatchFilesRequest,
  WriteFileRequest,
} from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import { FileEventKind, type FileInfo, FileInfoSchema, FileType } from '@tvm/api/gen/tvm/guest/v1/guest_pb.js';
import { guestPath, hostPath } from './local-paths.ts';

const codes: Record<string, 'not_found' | 'already_exists' | 'failed_precondition'> = {
  ENOENT: 'not_found',
  EEXIST: 'already_exists',
};

export function localFiles(root: string) {
  async function info(path: string): Promise<FileInfo> {
    const host = hostPath(root, path);
    const stats = await told(path, lstat(host));
    const linkTarget = stats.isSymbolicLink() ? await readlink(host) : '';
    const mtimeNs = BigInt(Math.round(stats.mtimeMs * 1000)) * 1000n;
    const { size, mode, uid, gid } = stats;
    const facts = { size: BigInt(size), mode: mode & 0o7777, uid, gid, mtimeNs, linkTarget, type: typeOf(stats) };
    return create(FileInfoSchema, { path: guestPath(root, host), ...facts });
  }

  async function list(path: string, depth: number): Promise<FileInfo[]> {
    const names = (await told(path, readdir(hostPath(root, path)))).sort();
    const found: FileInfo[] = [];
    for (const name of names) {
      const child = await info(`${path}/${name}`);
      found.push(child);
      if (child.type === FileType.DIRECTORY && depth > 1) found.push(...(await list(child.path, depth - 1)));
    }
    return found;
  }

  async function part(path: string, offset: number, size: number) {
    await using handle = await told(path, open(hostPath(root, path)));
    return handle.read(Buffer.alloc(size), 0, size, offset);
  }

  async function* read({ file }: ReadFileRequest) {
    const path = file?.path ?? '';
    const facts = await info(path);
    if (facts.type === FileType.DIRECTORY) throw new TvmError('failed_precondition', `${path} is a directory`);
    yield { body: { case: 'info' as const, value: facts } };
    const { bytesRead, buffer } = await part(
      path,
      Number(file?.offset ?? 0),
      Number(file?.limit) || Number(facts.size),
    );
    for (let at = 0; at < bytesRead; at += 65_536) {
      yield { body: { case: 'chunk' as const, value: buffer.subarray(at, Math.min(at + 65_536, bytesRead)) } };
    }
  }

  async function write(requests: AsyncIterable<WriteFileRequest>, check: (uid: string) => void): Promise<FileInfo> {
    let path = '';
    for await (const { body } of requests) {
      if (body.case === 'start') {
        check(body.value.uid);
        const file = body.value.file;
        path = file?.path ?? '';
        const host = hostPath(root, path);
        if (file?.makeParents) await mkdir(dirname(host), { recursive: true });
        if (!file?.append) await told(path, writeFile(host, '', file?.mode ? { mode: file.mode } : {}));
      } else if (body.case === 'chunk') await told(path, appendFile(hostPath(root, path), body.value));
    }
    return info(path);
  }

  async function operate({ operation }: FileOperationRequest): Promise<{ files: FileInfo[] }> {
    const { case: name, value } = operation;
    if (name === 'stat') return { files: [await info(value.path)] };
    if (name === 'list') return { files: await list(value.path, value.depth || 1) };
    if (name === 'makeDirectory') {
      await told(value.path, mkdir(hostPath(root, value.path), { recursive: value.parents }));
      return { files: [await info(value.path)] };
    }
    if (name === 'move') {
      const there = await info(value.to).catch(() => undefined);
      if (there && !value.overwrite) throw new TvmError('already_exists', `${value.to} is there already`);
      await told(value.from, rename(hostPath(root, value.from), hostPath(root, value.to)));
      return { files: [await info(value.to)] };
    }
    if (name === 'remove') await told(value.path, rm(hostPath(root, value.path), { recursive: value.recursive }));
    return { files: [] };
  }

  async function* watch({ watch: wanted }: WatchFilesRequest, signal: AbortSignal) {
    const path = wanted?.path ?? '';
    await info(path);
    const seen: (string | null)[] = [];
    let wake = () => {};
    const watcher = watchFolder(hostPath(root, path), { recursive: wanted?.recursive ?? false }, (_event, name) => {
      seen.push(name);
      wake();
    });
    signal.addEventListener('abort', () => wake(), { once: true });
    try {
      yield { kind: FileEventKind.READY, path };
      while (!signal.aborted) {
        if (seen.shift() !== undefined) yield { kind: FileEventKind.MODIFIED, path };
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      watcher.close();
    }
  }

  return { read, write, operate, watch };
}

function typeOf(stats: Stats): FileType {
  if (stats.isFile()) return FileType.REGULAR;
  if (stats.isDirectory()) return FileType.DIRECTORY;
  return stats.isSymbolicLink() ? FileType.SYMLINK : FileType.OTHER;
}

/** What the system said, as the machine's agent would say it. */
async function told<T>(path: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    throw new TvmError(codes[code] ?? 'failed_precondition', `${path}: ${code}`, { cause: error });
  }
}
