// Exit codes of the command, and the errors that mean wrong usage.
import { TvmError } from '@tvm/api/errors.ts';

export const exitCodes = {
  ok: 0,
  /** A command other than execute and exec failed. */
  failed: 1,
  usage: 2,
  timedOut: 124,
  /** execute and exec: the product failed, not the guest's program. */
  product: 125,
  /** The program is there and cannot be run. */
  cannotRun: 126,
  programNotFound: 127,
  interrupted: 130,
  /** Nobody reads the output any more. */
  brokenPipe: 141,
  terminated: 143,
} as const;

const usageReason = 'Usage';

/** What the user typed makes no sense. Ends with exit code 2. */
export function usageError(message: string, hint: string): TvmError {
  return new TvmError('invalid_argument', message, { hint, reason: usageReason });
}

/** Ends the command with a code and no message: the guest's own, or one that needs no words. */
export class Exit extends Error {
  readonly code: number;

  constructor(code: number) {
    super(`exit ${code}`);
    this.code = code;
  }
}

/** `runsPrograms`: the command hands on a guest's exit code, so that its own failures need one apart. */
export function exitCodeOf(error: unknown, runsPrograms: boolean): number {
  if (error instanceof Exit) return error.code;
  if (error instanceof TvmError && error.reason === usageReason) return exitCodes.usage;
  if (!runsPrograms) return exitCodes.failed;
  return notStartedCode(error) ?? exitCodes.product;
}

/** As shells have it, when it was the program that the guest could not start. */
function notStartedCode(error: unknown): number | undefined {
  if (!(error instanceof TvmError) || error.reason !== 'ProgramNotStarted') return undefined;
  if (error.code === 'not_found') return exitCodes.programNotFound;
  return error.code === 'permission_denied' || error.code === 'invalid_argument' ? exitCodes.cannotRun : undefined;
}
