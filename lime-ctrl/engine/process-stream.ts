// One process in a machine, as a stream of events. Invariant: the reader's pace is the process's: nothing is read from the
// node before it was taken here.
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { ExecRequestSchema } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import type { InputSchema } from '@tvm/api/gen/tvm/guest/v1/guest_pb.js';
import type { FlintlockClient } from '../flintlock/client.ts';

export type ExecRequestInit = MessageInitShape<typeof ExecRequestSchema>;
export type InputBody = NonNullable<MessageInitShape<typeof InputSchema>['body']>;

export type ProcessEvent =
  | { type: 'started'; execId: string; stdoutOffset: number; stderrOffset: number }
  | { type: 'output'; channel: 'stdout' | 'stderr'; bytes: Uint8Array }
  | { type: 'exited'; exitCode: number; signal: string; timedOut: boolean };

/** `first` starts or attaches; `inputs` are stdin and control, and may end before the process does. */
export async function* streamProcess(
  client: FlintlockClient,
  first: ExecRequestInit,
  inputs: AsyncIterable<InputBody>,
  signal: AbortSignal,
): AsyncGenerator<ProcessEvent, void> {
  const ended = Promise.withResolvers<void>();
  const requests = async function* (): AsyncIterable<ExecRequestInit> {
    yield first;
    for await (const body of inputs) yield { body: { case: 'input', value: { body } } };
    // The request stays open: ending it would say that nobody is there any more.
    await ended.promise;
  };
  const call = new AbortController();
  try {
    const responses = client.exec(requests(), { signal: AbortSignal.any([signal, call.signal]) });
    for await (const { output } of responses) {
      const body = output?.body;
      if (body?.case === 'stdout' || body?.case === 'stderr') {
        yield { type: 'output', channel: body.case, bytes: body.value };
      } else if (body?.case === 'started') {
        const { id, stdoutOffset, stderrOffset } = body.value;
        yield { type: 'started', execId: id, stdoutOffset: Number(stdoutOffset), stderrOffset: Number(stderrOffset) };
      } else if (body?.case === 'exited') {
        const { code, signal: name, timedOut } = body.value;
        yield { type: 'exited', exitCode: code, signal: name, timedOut };
        return;
      }
    }
  } finally {
    ended.resolve();
    call.abort();
  }
}
