// From changes of objects to the events that one watcher sees: an object that enters or leaves the selection is added or
// deleted to that watcher, whatever happened to it.
import type { ApiObject } from '../objects/api-object.ts';
import type { Change, ChangeType } from '../store/change.ts';

export interface WatchEvent {
  type: ChangeType;
  object: ApiObject;
}

/** The event of a change for a watcher; undefined when it sees nothing of it. */
export function eventFor(
  change: Change,
  namespace: string,
  isWanted: (object: ApiObject) => boolean,
  toShown: (object: ApiObject) => ApiObject,
): WatchEvent | undefined {
  if (namespace && change.namespace !== namespace) return undefined;
  const now = toShown(change.object);
  const before = change.previous && toShown(change.previous);
  const isIn = change.type !== 'DELETED' && isWanted(now);
  const wasIn = before !== undefined && isWanted(before);
  if (isIn) return { type: wasIn ? 'MODIFIED' : 'ADDED', object: now };
  if (!wasIn) return undefined;
  return { type: 'DELETED', object: change.type === 'DELETED' ? now : withVersion(before, change.revision) };
}

/** What left the selection is shown as it was, at the revision at which it left. */
function withVersion(object: ApiObject, revision: number): ApiObject {
  return { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } };
}
