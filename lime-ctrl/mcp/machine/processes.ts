// Processes of the machine. Invariant: one that was started here is kept by its machine, so that what it printed can be read
// again by whichever replica; whoever stops waiting for it kills it or leaves it on purpose.
import type { MessageInitShape } from '@bufbuild/protobuf';
import { TvmError } from '@tvm/api/errors.ts';
import type { ProcessInfo, StartProcessSchema } from '@tvm/api/gen/tvm/guest/v1/guest_pb.js';
import { type InputBody, type ProcessEvent, streamProcess } from '../../engine/process-stream.ts';
import { callDeadlineMs, type Place } from './guest.ts';

export type { InputBody, ProcessEvent };
export type StartInit = MessageInitShape<typeof StartProcessSchema>;

/** Beyond every offset there is: the machine continues with what comes. */
export const fromNow = 2n ** 62n;

export interface Offsets {
  stdout: bigint;
  stderr: bigint;
}

const chunkBytes = 65_536;

export function startProcess(
  { client, uid }: Place,
  process: StartInit,
  inputs: AsyncIterable<InputBody>,
  signal: AbortSignal,
): AsyncGenerator<ProcessEvent, void> {
  return streamProcess(client, { body: { case: 'start', value: { uid, process } } }, inputs, signal);
}

export function attachProcess(
  { client, uid }: Place,
  id: string,
  { stdout, stderr }: Offsets,
  inputs: AsyncIterable<InputBody>,
  signal: AbortSignal,
): AsyncGenerator<ProcessEvent, void> {
  const process = { id, stdoutOffset: stdout, stderrOffset: stderr };
  return streamProcess(client, { body: { case: 'attach', value: { uid, process } } }, inputs, signal);
}

export async function listProcesses({ client, uid }: Place): Promise<ProcessInfo[]> {
  return (await client.listProcesses({ uid }, { timeoutMs: callDeadlineMs })).processes;
}

/** Throws not_found when the machine does not know it any more. */
export async function findProcess(place: Place, id: string): Promise<ProcessInfo> {
  const found = (await listProcesses(place)).find((process) => process.id === id);
  if (found) return found;
  throw new TvmError('not_found', `there is no process ${id}`, {
    hint: 'Machines remember the last 32 that ended. list_processes tells which there are.',
  });
}

/** To the process and all of its group. Nothing happens to one that has ended. */
export async function signalProcess(place: Place, id: string, name: string): Promise<void> {
  const inputs = async function* (): AsyncIterable<InputBody> {
    yield { case: 'signal', value: name };
  };
  const now = { stdout: fromNow, stderr: fromNow };
  for await (const event of attachProcess(place, id, now, inputs(), AbortSignal.timeout(callDeadlineMs))) {
    if (event.type !== 'started') continue;
    // The signal travels right behind the attachment; the answer to a look-up comes after both.
    await findProcess(place, id);
    return;
  }
}

/** Kills it, if it runs. */
export async function killProcess(place: Place, id: string): Promise<void> {
  const inputs = async function* (): AsyncIterable<InputBody> {
    yield { case: 'signal', value: 'SIGKILL' };
  };
  const now = { stdout: fromNow, stderr: fromNow };
  try {
    for await (const event of attachProcess(place, id, now, inputs(), AbortSignal.timeout(callDeadlineMs))) {
      if (event.type === 'exited') return;
    }
  } catch (error) {
    if (TvmError.from(error).code !== 'not_found') throw error;
  }
}

/** Bytes as stdin, and then its end unless it stays open. */
export async function* stdinOf(bytes: Uint8Array, end: boolean): AsyncIterable<InputBody> {
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    yield { case: 'stdin', value: bytes.subarray(at, at + chunkBytes) };
  }
  if (end) yield { case: 'end', value: true };
}

export async function* noInput(): AsyncIterable<InputBody> {}
