// Calls that go through to a machine's guest: processes, files, usage.
// Invariant: the caller's pace rules: nothing is taken from the guest before the caller has taken what came before, and
// a caller that goes away cancels its call in the guest.
import type { HandlerContext, ServiceImpl } from '@connectrpc/connect';
import { TvmError } from '@tvm/api/errors.ts';
import type {
  ExecRequest,
  FileOperationRequest,
  Flintlock,
  WriteFileRequest,
} from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import type { FileInfo } from '@tvm/api/gen/tvm/guest/v1/guest_pb.js';
import type { Tracing } from '@tvm/kit/tracing/tracing.ts';
import type { GuestConnection } from '../guest/connection.ts';
import {
  listFiles,
  makeDirectory,
  moveFile,
  readFile,
  removeFile,
  statFile,
  watchFiles,
  writeFile,
} from '../guest/files.ts';
import { getUsage } from '../guest/machine.ts';
import { attachProcess, listProcesses, startProcess } from '../guest/processes.ts';
import type { GuestStream } from '../guest/stream.ts';
import type { Machines } from '../machines/machines.ts';
import type { Driver } from '../vmm/driver.ts';
import { usageMessage } from './convert.ts';

const maxListedFiles = 10_000;

type Calls = 'exec' | 'readFile' | 'writeFile' | 'fileOperation' | 'watchFiles' | 'listProcesses' | 'getUsage';

export function makeGuestCalls(
  machines: Machines,
  driver: Driver,
  tracing?: Tracing,
): Pick<ServiceImpl<typeof Flintlock>, Calls> {
  return {
    exec: (requests, context) => exec(machines, requests, context, tracing),

    async *readFile({ uid, file }, { signal }) {
      using call = await machines.openCall(uid, signal);
      const { info, chunks } = await readFile(call.connection, file ?? {}, signal);
      yield { body: { case: 'info', value: info } };
      for await (const value of chunks) yield { body: { case: 'chunk', value } };
    },

    async writeFile(requests, { signal }) {
      const messages = requests[Symbol.asyncIterator]();
      const first = await messages.next();
      const start = first.done ? undefined : first.value.body;
      if (start?.case !== 'start') throw misordered('the first message of WriteFile must have start');
      using call = await machines.openUse(start.value.uid, signal);
      return await writeFile(call.connection, start.value.file ?? {}, chunksOf(messages), signal);
    },

    async fileOperation({ uid, operation }, { signal }) {
      using call = await machines.openCall(uid, signal);
      return { files: await operateOnFiles(call.connection, operation, signal) };
    },

    async *watchFiles({ uid, watch }, { signal }) {
      using call = await machines.openCall(uid, signal);
      yield* watchFiles(call.connection, watch ?? {}, signal);
    },

    async listProcesses({ uid }, { signal }) {
      return { processes: await listProcesses(await machines.guest(uid, signal), signal) };
    },

    async getUsage({ uid }, { signal }) {
      const vmm = await driver.usage(machines.vm(uid));
      const guest = await getUsage(await machines.guest(uid, signal), signal);
      return usageMessage(guest, vmm);
    },
  };
}

async function* exec(
  machines: Machines,
  requests: AsyncIterable<ExecRequest>,
  { signal }: HandlerContext,
  tracing: Tracing | undefined,
) {
  const messages = requests[Symbol.asyncIterator]();
  const first = await messages.next();
  const body = first.done ? undefined : first.value.body;
  if (body?.case !== 'start' && body?.case !== 'attach') {
    throw misordered('the first message of Exec must have start or attach');
  }
  using call = await machines.openUse(body.value.uid, signal);
  const attributes = { 'tvm.machine': body.value.uid, 'tvm.attached': body.case === 'attach' };
  const span = tracing?.begin('guest.process', { attributes });
  const stream = begin(call.connection, body, signal);
  let misuse: unknown;
  const keeps = body.case === 'attach' || (body.value.process?.keep ?? false);
  feed(messages, stream, keeps).catch((thrown) => {
    misuse = thrown;
    stream.cancel();
  });
  let exited = false;
  try {
    for await (const body of stream) {
      exited = body.case === 'exited';
      if (body.case === 'exited') span?.set({ 'tvm.exit_code': body.value.code, 'tvm.timed_out': body.value.timedOut });
      yield { output: { body } };
    }
  } catch (thrown) {
    // What came after the exit, such as input that was still under way, does not matter to the caller.
    if (exited) return;
    span?.end(thrown);
    // The caller's input may still be open: its end is not waited for.
    throw misuse ?? thrown;
  } finally {
    span?.end();
  }
}

function begin(
  connection: GuestConnection,
  body: Extract<ExecRequest['body'], { case: 'start' | 'attach' }>,
  signal: AbortSignal,
) {
  if (body.case === 'attach') return attachProcess(connection, body.value.process ?? {}, signal);
  return startProcess(connection, body.value.process ?? {}, signal);
}

/**
 * Passes input on at the guest's pace. The end of the requests is the end of the input, but not of a process that is kept:
 * they end just so when their caller goes away.
 */
async function feed(messages: AsyncIterator<ExecRequest>, stream: GuestStream, keeps: boolean): Promise<void> {
  try {
    for (let next = await messages.next(); !next.done; next = await messages.next()) {
      const { body } = next.value;
      if (body.case !== 'input') throw misordered('messages of Exec after the first must have input');
      if (body.value.body.case !== undefined) await stream.send(body.value.body);
    }
    if (!keeps) await stream.send({ case: 'end', value: true });
  } catch (thrown) {
    // The stream, or the caller, is at its end: what comes out of the stream says how.
    if (thrown instanceof TvmError && thrown.code === 'invalid_argument') throw thrown;
  }
}

async function* chunksOf(messages: AsyncIterator<WriteFileRequest>): AsyncGenerator<Uint8Array> {
  for (let next = await messages.next(); !next.done; next = await messages.next()) {
    if (next.value.body.case !== 'chunk') throw misordered('messages of WriteFile after the first must have chunk');
    yield next.value.body.value;
  }
}

async function operateOnFiles(
  connection: GuestConnection,
  operation: FileOperationRequest['operation'],
  signal: AbortSignal,
): Promise<FileInfo[]> {
  switch (operation.case) {
    case 'stat':
      return [await statFile(connection, operation.value.path, signal)];
    case 'list': {
      const files: FileInfo[] = [];
      for await (const file of listFiles(connection, operation.value.path, operation.value.depth, signal)) {
        if (files.push(file) > maxListedFiles) {
          throw new TvmError('resource_exhausted', `${operation.value.path} has more than ${maxListedFiles} entries`);
        }
      }
      return files;
    }
    case 'makeDirectory':
      return [await makeDirectory(connection, operation.value.path, operation.value)];
    case 'move':
      return [await moveFile(connection, operation.value.from, operation.value.to, operation.value.overwrite)];
    case 'remove':
      await removeFile(connection, operation.value.path, operation.value.recursive);
      return [];
    default:
      throw misordered('FileOperation needs an operation');
  }
}

function misordered(message: string): TvmError {
  return new TvmError('invalid_argument', message);
}
