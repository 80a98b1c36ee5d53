// Calls about processes in the guest.
import type { MessageInitShape } from '@bufbuild/protobuf';
import { TvmError } from '@tvm/api/errors.ts';
import type {
  AttachProcessSchema,
  ProcessExited,
  ProcessInfo,
  StartProcessSchema,
} from '@tvm/api/gen/tvm/guest/v1/guest_pb.js';
import type { GuestConnection } from './connection.ts';
import { callForEnd, callOnce } from './machine.ts';
import { followProcess, type ProcessStream } from './process-stream.ts';
import type { GuestStream } from './stream.ts';
import { violation } from './wire.ts';

export type ProcessToStart = MessageInitShape<typeof StartProcessSchema>;

/** Starts a process: `started`, then `stdout` and `stderr`, at last `exited`. */
export function startProcess(
  connection: GuestConnection,
  process: ProcessToStart,
  signal?: AbortSignal,
): ProcessStream {
  return followProcess(connection.call({ case: 'startProcess', value: process }, signal));
}

/** Follows a kept process from the given offsets on; the same answers as from a start. */
export function attachProcess(
  connection: GuestConnection,
  place: MessageInitShape<typeof AttachProcessSchema>,
  signal?: AbortSignal,
): ProcessStream {
  return followProcess(connection.call({ case: 'attachProcess', value: place }, signal));
}

export function signalProcess(connection: GuestConnection, id: string, name: string): Promise<void> {
  return callForEnd(connection, { case: 'signalProcess', value: { id, signal: name } });
}

export async function listProcesses(connection: GuestConnection, signal?: AbortSignal): Promise<ProcessInfo[]> {
  return (await callOnce(connection, { case: 'listProcesses', value: {} }, 'processes', signal)).processes;
}

export interface FinishedProcess {
  stdout: Buffer;
  stderr: Buffer;
  exited: ProcessExited;
}

export interface RunOptions {
  /** What the process reads; it then sees the end of its input. */
  stdin?: Uint8Array;
  /** Most bytes of stdout and stderr together; more ends the process with `resource_exhausted`. */
  maxOutputBytes: number;
  signal?: AbortSignal;
}

/** Runs a process to its end and collects its output. */
export async function runProcess(
  connection: GuestConnection,
  process: ProcessToStart,
  options: RunOptions,
): Promise<FinishedProcess> {
  const { stdin } = options;
  const stream = startProcess(connection, { ...process, stdin: stdin !== undefined }, options.signal);
  const feeding = stdin === undefined ? Promise.resolve() : feed(stream, stdin);
  const chunks = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] };
  let left = options.maxOutputBytes;
  let exited: ProcessExited | undefined;
  for await (const body of stream) {
    if (body.case === 'exited') exited = body.value;
    if (body.case !== 'stdout' && body.case !== 'stderr') continue;
    left -= body.value.length;
    if (left < 0) {
      throw new TvmError('resource_exhausted', `the process printed more than ${options.maxOutputBytes} bytes`);
    }
    chunks[body.case].push(body.value);
  }
  await feeding;
  if (!exited) throw violation('no end of a process');
  return { stdout: Buffer.concat(chunks.stdout), stderr: Buffer.concat(chunks.stderr), exited };
}

/** A process that ends before it has read everything is no failure. */
async function feed(stream: GuestStream, stdin: Uint8Array): Promise<void> {
  try {
    await stream.send({ case: 'stdin', value: stdin });
    await stream.send({ case: 'end', value: true });
  } catch (error) {
    if (!(error instanceof TvmError && error.code === 'canceled')) throw error;
  }
}
