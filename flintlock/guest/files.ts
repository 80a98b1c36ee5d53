// Calls about files in the guest. Paths are absolute.
import type { MessageInitShape } from '@bufbuild/protobuf';
import { TvmError } from '@tvm/api/errors.ts';
import type {
  FileEvent,
  FileInfo,
  ReadFileSchema,
  WatchFilesSchema,
  WriteFileSchema,
} from '@tvm/api/gen/tvm/guest/v1/guest_pb.js';
import type { Call, GuestConnection } from './connection.ts';
import { callForEnd, callOnce } from './machine.ts';
import type { OutputBody } from './output-queue.ts';
import type { GuestStream } from './stream.ts';
import { violation } from './wire.ts';

const maxEntries = 10_000;

/** A file being read: what it is, and its bytes. */
export interface OpenedFile {
  info: FileInfo;
  chunks: AsyncIterable<Uint8Array>;
}

export async function readFile(
  connection: GuestConnection,
  request: MessageInitShape<typeof ReadFileSchema>,
  signal?: AbortSignal,
): Promise<OpenedFile> {
  const answers = connection.call({ case: 'readFile', value: request }, signal)[Symbol.asyncIterator]();
  const first = await answers.next();
  if (first.done || first.value.case !== 'file') throw violation('no description of a file');
  return { info: first.value.value, chunks: chunksOf(answers) };
}

async function* chunksOf(answers: AsyncIterator<OutputBody>): AsyncGenerator<Uint8Array> {
  try {
    for (let next = await answers.next(); !next.done; next = await answers.next()) {
      if (next.value.case !== 'chunk') throw violation(`an unexpected answer (${next.value.case}) to readFile`);
      yield next.value.value;
    }
  } finally {
    await answers.return?.();
  }
}

/**
 * Writes a file from `content`. An existing one is cut and filled in place; when the content fails midway, what had
 * come stays.
 */
export async function writeFile(
  connection: GuestConnection,
  request: MessageInitShape<typeof WriteFileSchema>,
  content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  signal?: AbortSignal,
): Promise<FileInfo> {
  const stream = connection.call({ case: 'writeFile', value: request }, signal);
  const sending = sendContent(stream, content);
  // Both may fail at once; the guest's own words come first.
  sending.catch(() => stream.cancel());
  const outcome = await fileFrom(stream).catch((error: unknown) => TvmError.from(error));
  const sent = await sending.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(outcome instanceof TvmError)) return outcome;
  const isOurs = sent !== undefined && outcome.code === 'canceled' && !signal?.aborted;
  throw isOurs ? sent : outcome;
}

async function sendContent(stream: GuestStream, content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>) {
  for await (const value of content) await stream.send({ case: 'chunk', value });
  await stream.send({ case: 'end', value: true });
}

async function fileFrom(stream: GuestStream): Promise<FileInfo> {
  let info: FileInfo | undefined;
  for await (const body of stream) {
    if (body.case !== 'file') throw violation(`an unexpected answer (${body.case}) to writeFile`);
    info = body.value;
  }
  if (!info) throw violation('no description of a file');
  return info;
}

export function statFile(connection: GuestConnection, path: string, signal?: AbortSignal): Promise<FileInfo> {
  return callOnce(connection, { case: 'statFile', value: { path } }, 'file', signal);
}

/** The entries of a folder and, to `depth`, of those below it, sorted by path; at most 10,000. */
export async function* listFiles(
  connection: GuestConnection,
  path: string,
  depth = 1,
  signal?: AbortSignal,
): AsyncGenerator<FileInfo> {
  const call: Call = { case: 'listFiles', value: { path, depth } };
  let left = maxEntries;
  for await (const body of connection.call(call, signal)) {
    if (body.case !== 'file') throw violation(`an unexpected answer (${body.case}) to listFiles`);
    if (left-- <= 0) throw violation(`more than ${maxEntries} entries of a folder`);
    yield body.value;
  }
}

export function makeDirectory(
  connection: GuestConnection,
  path: string,
  options: { mode?: number; parents?: boolean } = {},
): Promise<FileInfo> {
  return callOnce(connection, { case: 'makeDirectory', value: { path, ...options } }, 'file');
}

export function moveFile(connection: GuestConnection, from: string, to: string, overwrite = false): Promise<FileInfo> {
  return callOnce(connection, { case: 'moveFile', value: { from, to, overwrite } }, 'file');
}

export function removeFile(connection: GuestConnection, path: string, recursive = false): Promise<void> {
  return callForEnd(connection, { case: 'removeFile', value: { path, recursive } });
}

/** Changes below a path until the iteration is left; the first event is READY. */
export async function* watchFiles(
  connection: GuestConnection,
  request: MessageInitShape<typeof WatchFilesSchema>,
  signal?: AbortSignal,
): AsyncGenerator<FileEvent> {
  for await (const body of connection.call({ case: 'watchFiles', value: request }, signal)) {
    if (body.case !== 'fileEvent') throw violation(`an unexpected answer (${body.case}) to watchFiles`);
    yield body.value;
  }
}
