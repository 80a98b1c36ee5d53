// Which replica holds what lives in one replica's memory: the connections of 2025-11-25, and MCP servers inside machines. Pure.
// Invariant: replicas that know of the same living ones agree; what one of them holds moves only when that one is gone.
import { createHash } from 'node:crypto';

const separator = '~';
const markLength = 11;

/** The id of a connection that this replica holds. It may stand in a header. */
export function idHeldBy(replica: string, id: string): string {
  return `${id}${separator}${markOf(replica)}`;
}

/** The id without its holder. */
export function withoutHolder(id: string): string {
  const at = id.lastIndexOf(separator);
  return at < 0 ? id : id.slice(0, at);
}

/** One of `living`: who the id names; for an id that names nobody who lives, one that all of them choose. */
export function holderOf(id: string, living: readonly string[]): string | undefined {
  const mark = id.includes(separator) ? id.slice(id.lastIndexOf(separator) + 1) : undefined;
  const named = mark === undefined ? undefined : living.find((each) => markOf(each) === mark);
  if (named !== undefined) return named;
  const weighed = living.map((name) => ({ name, weight: digestOf(`${name}\n${id}`) }));
  return weighed.toSorted((a, b) => (a.weight < b.weight ? 1 : -1))[0]?.name;
}

/** Names of replicas are nobody's business outside. */
function markOf(replica: string): string {
  return digestOf(replica).slice(0, markLength);
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}
