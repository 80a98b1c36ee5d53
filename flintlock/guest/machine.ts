// Calls about the guest as a whole.
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Configured, ConfigureSchema, Pong, Usage } from '@tvm/api/gen/tvm/guest/v1/guest_pb.js';
import type { Call, GuestConnection } from './connection.ts';
import type { OutputBody } from './output-queue.ts';
import { violation } from './wire.ts';

type AnswerOf<Kind extends OutputBody['case']> = Extract<OutputBody, { case: Kind }>['value'];

/** Asks for one answer of one kind. */
export async function callOnce<Kind extends OutputBody['case']>(
  connection: GuestConnection,
  request: Call,
  kind: Kind,
  signal?: AbortSignal,
): Promise<AnswerOf<Kind>> {
  let answer: OutputBody | undefined;
  for await (const body of connection.call(request, signal)) {
    if (body.case !== kind || answer) throw violation(`an unexpected answer (${body.case}) to ${request.case}`);
    answer = body;
  }
  if (!answer) throw violation(`no answer to ${request.case}`);
  return answer.value as unknown as AnswerOf<Kind>;
}

/** Waits for the end of a call that has no answer but that. */
export async function callForEnd(connection: GuestConnection, request: Call, signal?: AbortSignal): Promise<void> {
  for await (const body of connection.call(request, signal)) {
    throw violation(`an unexpected answer (${body.case}) to ${request.case}`);
  }
}

export function ping(connection: GuestConnection, signal?: AbortSignal): Promise<Pong> {
  return callOnce(connection, { case: 'ping', value: {} }, 'pong', signal);
}

/** Gives the machine its identity; what is left empty stays as it is. */
export function configure(
  connection: GuestConnection,
  identity: MessageInitShape<typeof ConfigureSchema>,
  signal?: AbortSignal,
): Promise<Configured> {
  return callOnce(connection, { case: 'configure', value: identity }, 'configured', signal);
}

export function getUsage(connection: GuestConnection, signal?: AbortSignal): Promise<Usage> {
  return callOnce(connection, { case: 'getUsage', value: {} }, 'usage', signal);
}

/** Resolves when the guest has begun to shut down: processes end within 2 seconds, then the VMM exits. */
export function shutDown(connection: GuestConnection, signal?: AbortSignal): Promise<void> {
  return callForEnd(connection, { case: 'shutdown', value: {} }, signal);
}
