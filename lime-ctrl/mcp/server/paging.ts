// Pages of lists. Invariant: a cursor is a place in the list and nothing else: what it opens is only ever the caller's own list.
import { ProtocolError, ProtocolErrorCode } from '@modelcontextprotocol/server';

export interface Page<T> {
  items: T[];
  nextCursor?: string;
}

/** Throws InvalidParams for a cursor that was not given out here. */
export function pageOf<T>(all: readonly T[], cursor: string | undefined, size: number): Page<T> {
  const from = cursor === undefined ? 0 : placeOf(cursor);
  const items = all.slice(from, from + size);
  const next = from + size;
  return next < all.length ? { items, nextCursor: Buffer.from(`at:${next}`).toString('base64url') } : { items };
}

function placeOf(cursor: string): number {
  const [, place] = /^at:(\d{1,9})$/.exec(Buffer.from(cursor, 'base64url').toString()) ?? [];
  if (place !== undefined) return Number(place);
  throw new ProtocolError(ProtocolErrorCode.InvalidParams, 'the cursor is none that was given out');
}
