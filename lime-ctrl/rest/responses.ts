// Answers: JSON, problems, streams.
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
