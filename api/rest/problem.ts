// TvmError as RFC 9457 problem details, and back. Invariant: causes stay on this side of the wire.
import { errorCodes, httpStatusOf, TvmError } from '../errors.ts';
import { type Problem, problem } from './stream.ts';

export const problemContentType = 'application/problem+json';

/** Reason of an invalid_argument that HTTP has a status of its own for. */
export const bodyTooLarge = 'BodyTooLarge';

export function toProblem(error: TvmError): Problem {
  return {
    type: `urn:tvm:error:${error.code}`,
    title: error.code.replaceAll('_', ' '),
    status: error.reason === bodyTooLarge ? 413 : httpStatusOf[error.code],
    detail: error.message,
    code: error.code,
    ...(error.object !== undefined && { object: error.object }),
    ...(error.hint !== undefined && { hint: error.hint }),
    ...(error.reason !== undefined && { reason: error.reason }),
    ...retryAfter(error),
  };
}

function retryAfter({ code, retryAfterSeconds: said }: TvmError): Pick<Problem, 'retryAfterSeconds'> {
  const seconds = said ?? (code === 'resource_exhausted' ? 1 : undefined);
  return seconds === undefined ? {} : { retryAfterSeconds: Math.max(1, Math.ceil(seconds)) };
}

/** The error a server reported. A body that is no problem becomes `internal`, with `fallback` as its message. */
export function fromProblem(body: unknown, fallback: string): TvmError {
  const parsed = problem.safeParse(body);
  if (!parsed.success) return new TvmError('internal', fallback);
  const { code, detail, object, hint, reason, retryAfterSeconds } = parsed.data;
  const known = errorCodes.find((each) => each === code) ?? 'internal';
  return new TvmError(known, detail, {
    ...(object !== undefined && { object }),
    ...(hint !== undefined && { hint }),
    ...(reason !== undefined && { reason }),
    ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
  });
}
