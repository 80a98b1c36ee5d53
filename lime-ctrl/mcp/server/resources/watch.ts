// Changes of resources, for whoever has subscribed to them.
import type { SessionContext } from '../../contract.ts';
import type { ServerDeps } from '../build-server.ts';

/** Calls `changed` with the URI of each resource that changes, until the signal aborts. */
export function watchResources(
  _deps: ServerDeps,
  _context: SessionContext,
  _uris: string[],
  _changed: (uri: string) => void,
  _ended: AbortSignal,
): void {}
