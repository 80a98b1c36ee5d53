// Files of the machine. Invariant: what is read is bounded here, whatever the machine says of its size.
import type { MessageInitShape } from '@bufbuild/protobuf';
import { TvmError } from '@tvm/api/errors.ts';
import type { FileOperationRequestSchema } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import { type FileEvent, type FileInfo, FileType } from '@tvm/api/gen/tvm/guest/v1/guest_pb.js';
import { callDeadlineMs, type Place } from './guest.ts';

const chunkBytes = 65_536;

type Operation = NonNullable<MessageInitShape<typeof FileOperationRequestSchema>['operation']>;

export interface ReadPart {
  info: FileInfo;
  bytes: Buffer;
}

/** At most `limit` bytes from `offset` on. */
export async function readFile(
  { client, uid }: Place,
  path: string,
  { offset, limit }: { offset: number; limit: number },
  signal?: AbortSignal,
): Promise<ReadPart> {
  const file = { path, offset: BigInt(offset), limit: BigInt(limit) };
  let info: FileInfo | undefined;
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const { body } of client.readFile({ uid, file }, boundedCall(signal))) {
    if (body.case === 'info') info = body.value;
    if (body.case !== 'chunk') continue;
    chunks.push(body.value.subarray(0, limit - size));
    size += body.value.length;
    if (size >= limit) break;
  }
  if (!info) throw new TvmError('internal', 'the node told no file');
  return { info, bytes: Buffer.concat(chunks) };
}

export interface WriteOptions {
  append?: boolean;
  makeParents?: boolean;
  mode?: number;
}

export async function writeFile(
  { client, uid }: Place,
  path: string,
  bytes: Uint8Array,
  options: WriteOptions = {},
  signal?: AbortSignal,
): Promise<FileInfo> {
  return client.writeFile(writeMessages(uid, { path, ...options }, bytes), boundedCall(signal));
}

async function* writeMessages(uid: string, file: { path: string } & WriteOptions, bytes: Uint8Array) {
  yield { body: { case: 'start' as const, value: { uid, file } } };
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    yield { body: { case: 'chunk' as const, value: bytes.subarray(at, at + chunkBytes) } };
  }
}

export async function operate({ client, uid }: Place, operation: Operation, signal?: AbortSignal): Promise<FileInfo[]> {
  return (await client.fileOperation({ uid, operation }, boundedCall(signal))).files;
}

export async function statFile(place: Place, path: string, signal?: AbortSignal): Promise<FileInfo> {
  const [info] = await operate(place, { case: 'stat', value: { path } }, signal);
  if (!info) throw new TvmError('internal', 'the node told no file');
  return info;
}

export function listFiles(place: Place, path: string, depth: number, signal?: AbortSignal): Promise<FileInfo[]> {
  return operate(place, { case: 'list', value: { path, depth } }, signal);
}

/** Changes below the path until the signal aborts. */
export async function* watchFiles(
  { client, uid }: Place,
  path: string,
  recursive: boolean,
  signal: AbortSignal,
): AsyncIterable<FileEvent> {
  yield* client.watchFiles({ uid, watch: { path, recursive } }, { signal });
}

function boundedCall(signal: AbortSignal | undefined) {
  return { timeoutMs: callDeadlineMs, ...(signal && { signal }) };
}

const typeNames = {
  [FileType.UNSPECIFIED]: 'other',
  [FileType.REGULAR]: 'file',
  [FileType.DIRECTORY]: 'directory',
  [FileType.SYMLINK]: 'symlink',
  [FileType.OTHER]: 'other',
} as const;

export function typeNameOf({ type }: FileInfo): 'file' | 'directory' | 'symlink' | 'other' {
  return typeNames[type] ?? 'other';
}
