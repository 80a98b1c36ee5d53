// Objects of a reflector by groups, so that an event finds those that it concerns without a look at all of them.
// Invariant: an object is in the groups that it names now, and a group without objects takes no room.

import type { ObjectMeta } from '@tvm/api/kinds/meta.ts';
import { keyOf } from '../kube/client.ts';
import type { Reflector } from './reflector.ts';

export interface GroupIndex extends Disposable {
  /** Keys of the objects in the group. */
  in(group: string): string[];
}

/** Follows `source` until disposed of. */
export function indexByGroups<T extends { metadata: ObjectMeta }>(
  source: Pick<Reflector<T>, 'list' | 'subscribe'>,
  groupsOf: (object: T) => readonly string[],
): GroupIndex {
  const groups = new Map<string, Set<string>>();

  function add(key: string, group: string): void {
    const keys = groups.get(group);
    if (keys) keys.add(key);
    else groups.set(group, new Set([key]));
  }

  function remove(key: string, group: string): void {
    const keys = groups.get(group);
    keys?.delete(key);
    if (keys?.size === 0) groups.delete(group);
  }

  for (const object of source.list()) for (const group of groupsOf(object)) add(keyOf(object), group);
  const stop = source.subscribe(({ key, object, previous }) => {
    for (const group of previous ? groupsOf(previous) : []) remove(key, group);
    for (const group of object ? groupsOf(object) : []) add(key, group);
  });
  return { in: (group) => [...(groups.get(group) ?? [])], [Symbol.dispose]: stop };
}
