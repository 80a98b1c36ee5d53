// A request of a caller for a server inside a machine, and its answer. Invariant: bodies go through at the reader's pace, and a
// caller that leaves ends the connection in the guest.
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { TvmError } from '@tvm/api/errors.ts';
import { streamUntilBroken } from '../rest/responses.ts';
import { askGuest, type PortTarget } from './ask-guest.ts';
import { type HeaderPairs, headersFromGuest, pairsOf } from './headers.ts';

const bodiless = new Set([204, 205, 304]);

export interface ProxiedRequest {
  method: string;
  headers: HeaderPairs;
  body: ReadableStream<Uint8Array> | null;
  /** Aborts when the caller goes away, or may call no longer. */
  signal: AbortSignal;
  /** Ends the connection of the caller: an answer that broke off must not look whole. */
  cutOff(): void;
}

/** Throws what dialling throws, and unavailable for what is no answer. */
export async function proxyRequest(target: PortTarget, request: ProxiedRequest): Promise<Response> {
  const { method, headers, body, signal, cutOff } = request;
  const { outgoing, answered } = await askGuest(target, { method, headers, hasBody: body !== null, signal });
  if (body) {
    // A server that answers before it has read all may take no more: its answer counts.
    pipeline(Readable.fromWeb(body as never), outgoing).catch(() => undefined);
  } else outgoing.end();
  const { answer } = await answered;
  const status = answer.statusCode ?? 0;
  if (status < 200 || status > 599) {
    answer.destroy();
    throw new TvmError('unavailable', `the server at port ${target.port} answered with status ${status}`, {
      reason: 'BadGuestAnswer',
    });
  }
  const isBodiless = method === 'HEAD' || bodiless.has(status);
  if (isBodiless) answer.resume();
  return new Response(isBodiless ? null : streamUntilBroken(answer, cutOff), {
    status,
    headers: headersFromGuest(pairsOf(answer.rawHeaders), target),
  });
}
