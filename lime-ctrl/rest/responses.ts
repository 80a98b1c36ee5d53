// Answers: JSON, problems, streams.
import type { HttpBindings } from '@hono/node-server';
import { TvmError } from '@tvm/api/errors.ts';
import { bodyTooLarge, problemContentType, toProblem } from '@tvm/api/rest/problem.ts';
import { invalidToken } from '../access/access.ts';

export function jsonResponse(body: unknown, status = 200): Response {
  return Response.json(body, { status });
}

/** A problem document; the header Retry-After when trying again makes sense. */
export function problemResponse(thrown: unknown, requestId: string): Response {
  const error = TvmError.from(thrown);
  const body = toProblem(error);
  return new Response(JSON.stringify(body), { status: body.status, headers: problemHeaders(error, requestId) });
}

export function problemHeaders(error: TvmError, requestId: string): Record<string, string> {
  const { retryAfterSeconds } = toProblem(error);
  return {
    'content-type': problemContentType,
    'x-request-id': requestId,
    ...(retryAfterSeconds !== undefined && { 'retry-after': String(retryAfterSeconds) }),
    ...(error.code === 'unauthenticated' && { 'www-authenticate': challengeOf(error) }),
    // What is left of the body is not read, so that the connection cannot be used again.
    ...(error.reason === bodyTooLarge && { connection: 'close' }),
  };
}

function challengeOf({ reason }: TvmError): string {
  return `Bearer realm="tvm"${reason === invalidToken ? ', error="invalid_token"' : ''}`;
}

/** Bytes at the reader's pace; a reader that leaves ends the source. */
export function streamResponse(
  source: AsyncIterable<Uint8Array>,
  contentType: string,
  headers: Record<string, string> = {},
): Response {
  const stream = ReadableStream.from(source) as ReadableStream<Uint8Array>;
  return new Response(stream, {
    headers: {
      'content-type': contentType,
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      ...headers,
    },
  });
}

/** An answer whose body breaks off ends the connection of its caller: the server would end it as if it were whole. */
export function cutWhenBroken(response: Response, { outgoing }: Pick<HttpBindings, 'outgoing'>): Response {
  if (!response.body) return response;
  return new Response(
    streamUntilBroken(response.body, () => outgoing.destroy()),
    response,
  );
}

/** The bytes of the source; when it fails, `cutOff` is called in place of an error. */
export function streamUntilBroken(source: AsyncIterable<Uint8Array>, cutOff: () => void): ReadableStream<Uint8Array> {
  return ReadableStream.from(untilBroken(source, cutOff)) as ReadableStream<Uint8Array>;
}

async function* untilBroken(source: AsyncIterable<Uint8Array>, cutOff: () => void): AsyncGenerator<Uint8Array> {
  try {
    yield* source;
  } catch {
    cutOff();
  }
}
