// Who owns which field after a create, update or patch that was not an apply: whoever changes a field takes it.
import type { ApiObject, ManagedFieldsEntry } from '../objects/api-object.ts';
import type { Schema } from '../schema/schema.ts';
import { type Comparison, compareValues } from './compare.ts';
import { formatManagers, identityOf, type Manager, type ManagerIdentity, ownable, parseManagers } from './managers.ts';

export interface Tracking {
  schema: Schema;
  identity: ManagerIdentity;
  /** Paths that the endpoint does not write (`f:status`). */
  resetRoots: readonly string[];
  /** RFC 3339, whole seconds. */
  now: string;
  /** Fields that every object of the kind has, so that nobody adds them. */
  always: readonly string[];
}

/** The managedFields of `next`; `live` is undefined for a new object. */
export function trackUpdate(tracking: Tracking, live: ApiObject | undefined, next: ApiObject): ManagedFieldsEntry[] {
  const before = { ...Object.fromEntries(tracking.always.map((name) => [name, {}])), metadata: {}, ...live };
  const comparison = compareValues(before, next, tracking.schema);
  const managers = startingManagers(live, next);
  const changed = ownable(comparison.modified.union(comparison.added), tracking.resetRoots);
  if (changed.size === 0 && comparison.removed.size === 0) return formatManagers(managers);
  for (const [key, manager] of managers) {
    managers.set(key, { ...manager, fields: manager.fields.difference(changed).difference(comparison.removed) });
  }
  const key = identityOf(tracking.identity);
  managers.set(key, updatedManager(tracking, managers.get(key), changed, comparison));
  return formatManagers(managers);
}

/** A client may write managedFields itself: `[{}]` forgets all, anything readable replaces, the rest keeps what is stored. */
function startingManagers(live: ApiObject | undefined, next: ApiObject): Map<string, Manager> {
  const given = next.metadata.managedFields;
  if (given?.length === 1 && Object.keys(given[0] ?? {}).length === 0) return new Map();
  const managers = parseManagers(given);
  return managers.size > 0 ? managers : parseManagers(live?.metadata.managedFields);
}

function updatedManager(
  tracking: Tracking,
  former: Manager | undefined,
  changed: Set<string>,
  comparison: Comparison,
): Manager {
  const fields = (former?.fields ?? new Set<string>()).difference(comparison.removed).union(changed);
  return { ...tracking.identity, time: tracking.now, fields };
}
