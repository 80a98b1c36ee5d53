// An error as a person reads it: what failed, on which object, why, what to do.
import { TvmError } from '@tvm/api/errors.ts';

const maxCauses = 5;

/** Lines without an end of line. With `debug` the stack too. */
export function formatError(thrown: unknown, debug = false): string {
  const error = TvmError.from(thrown);
  const lines = [`vvm: ${clean(error.message)}`];
  if (error.object && !error.message.includes(error.object)) lines.push(`  object: ${clean(error.object)}`);
  for (const cause of causesOf(error)) lines.push(`  because: ${clean(cause)}`);
  if (error.hint) lines.push(...error.hint.split('\n').map((line) => `  ${clean(line)}`));
  if (error.retryAfterSeconds !== undefined) lines.push(`  Retry-After: ${error.retryAfterSeconds} s`);
  if (debug && error.stack) lines.push(error.stack);
  return lines.join('\n');
}

function causesOf(error: Error): string[] {
  const said = [error.message];
  let cause = error.cause;
  for (let depth = 0; depth < maxCauses && cause instanceof Error; depth += 1) {
    const { message } = cause;
    if (message && !said.some((each) => each.includes(message))) said.push(message);
    cause = cause.cause;
  }
  return said.slice(1);
}

function clean(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, (char) => (char === '\n' || char === '\t' ? char : '?'));
}
