// Which user a VMM runs as: one of a range that no other VM of this flintlock has. Pure; what is taken is read from disk.
import { TvmError } from '@tvm/api/errors.ts';

export interface UserRange {
  first: number;
  /** The last one that may be given. */
  last: number;
}

export const defaultUserRange = '200000-299999';
const largestUser = 2 ** 32 - 2;

/** From "FIRST-LAST"; undefined when that is no range of ordinary users. */
export function parseUserRange(text: string): UserRange | undefined {
  const [, first, last] = /^(\d+)-(\d+)$/.exec(text) ?? [];
  const range = { first: Number(first), last: Number(last) };
  return range.first >= 1000 && range.first <= range.last && range.last <= largestUser ? range : undefined;
}

/**
 * A user that is not taken. `draw` from 0 to 1 says where to begin to look, so that one that was just given back is not
 * given at once, and two flintlocks on a host hardly meet. Throws `resource_exhausted`.
 */
export function freeUser({ first, last }: UserRange, taken: ReadonlySet<number>, draw: number): number {
  const size = last - first + 1;
  const start = Math.min(size - 1, Math.floor(draw * size));
  for (let offset = 0; offset < Math.min(size, taken.size + 1); offset += 1) {
    const user = first + ((start + offset) % size);
    if (!taken.has(user)) return user;
  }
  throw new TvmError('resource_exhausted', `all users from ${first} to ${last} have a virtual machine`, {
    reason: 'UsersExhausted',
    hint: 'Set TVM_UID_RANGE to a larger range.',
  });
}
