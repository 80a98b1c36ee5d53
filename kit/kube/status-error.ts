// What an API server says when it refuses (metav1.Status) as a TvmError.
import { type ErrorCode, TvmError } from '@tvm/api/errors.ts';
import { z } from 'zod';

const statusSchema = z.looseObject({
  kind: z.literal('Status'),
  message: z.string().optional(),
  reason: z.string().optional(),
  code: z.number().optional(),
  details: z.looseObject({ retryAfterSeconds: z.number().optional() }).optional(),
});

const codeOfHttp: Record<number, ErrorCode> = {
  400: 'invalid_argument',
  401: 'unauthenticated',
  403: 'permission_denied',
  404: 'not_found',
  405: 'unimplemented',
  409: 'aborted',
  410: 'failed_precondition',
  422: 'invalid_argument',
  429: 'resource_exhausted',
  503: 'unavailable',
  504: 'deadline_exceeded',
};

/** The server's own words, which name the object; without any, `operation` ("GET /api/...") and `httpStatus`. */
export function statusError(operation: string, httpStatus: number, body: unknown): TvmError {
  const status = statusSchema.safeParse(body);
  const said = status.success ? status.data : undefined;
  const code = said?.reason === 'AlreadyExists' ? 'already_exists' : codeOfHttp[said?.code ?? httpStatus];
  const fallback = httpStatus >= 500 ? 'unavailable' : 'internal';
  return new TvmError(code ?? fallback, said?.message ?? `${operation}: HTTP ${httpStatus}`, {
    ...(said?.reason && { reason: said.reason }),
    ...(said?.details?.retryAfterSeconds && { retryAfterSeconds: said.details.retryAfterSeconds }),
  });
}

/** Whether a list or watch must begin anew because the version it knows is gone. */
export function isExpired(error: unknown): boolean {
  return error instanceof TvmError && (error.reason === 'Expired' || error.reason === 'Gone');
}
