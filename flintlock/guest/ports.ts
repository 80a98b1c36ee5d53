// A connection to a TCP port inside the guest. Paces are each side's own: nothing is taken from the port before the
// consumer has taken what came before, and what is sent waits for the guest's credit.
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Connected, DialPortSchema } from '@tvm/api/gen/tvm/guest/v1/guest_pb.js';
import type { GuestConnection } from './connection.ts';
import type { OutputBody } from './output-queue.ts';
import { violation } from './wire.ts';

export type PortAnswer = Extract<OutputBody, { case: 'chunk' | 'end' }>;

export interface DialledPort {
  connected: Connected;
  /** What the port sends, then `end`. The iteration is over when both directions have ended; leaving it closes the connection. */
  answers: AsyncIterable<PortAnswer>;
  /** Bytes to the port, or their end. Rejects with `canceled` when the connection is over. */
  send(input: { case: 'chunk'; value: Uint8Array } | { case: 'end'; value: true }): Promise<void>;
}

/**
 * Throws `failed_precondition` with the reason NothingListens where nothing does, `deadline_exceeded` where nothing accepts,
 * `resource_exhausted` when the guest has too many connections already.
 */
export async function dialPort(
  connection: GuestConnection,
  request: MessageInitShape<typeof DialPortSchema>,
  signal?: AbortSignal,
): Promise<DialledPort> {
  const stream = connection.call({ case: 'dialPort', value: request }, signal);
  const answers = stream[Symbol.asyncIterator]();
  const first = await answers.next();
  if (first.done || first.value.case !== 'connected') {
    stream.cancel();
    throw violation('no answer of a connection to dialPort');
  }
  return { connected: first.value.value, answers: inOrder(answers), send: (input) => stream.send(input) };
}

async function* inOrder(answers: AsyncIterator<OutputBody>): AsyncGenerator<PortAnswer> {
  let ended = false;
  try {
    for (let next = await answers.next(); !next.done; next = await answers.next()) {
      const body = next.value;
      if (ended || (body.case !== 'chunk' && body.case !== 'end')) {
        throw violation(`an unexpected answer (${body.case}) of a port`);
      }
      ended = body.case === 'end';
      yield body;
    }
    if (!ended) throw violation('no end of what a port sends');
  } finally {
    await answers.return?.();
  }
}
