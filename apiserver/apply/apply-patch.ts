// Server-side apply: merges a configuration into the live object, removes what the manager no longer names, and tells
// conflicts with other managers.
import { type ApiObject, isJsonObject, type ManagedFieldsEntry } from '../objects/api-object.ts';
import { deepEqual } from '../objects/deep-equal.ts';
import { appliedFields } from './applied-fields.ts';
import { clientSideApplied, withNoteOf } from './client-side-applied.ts';
import { compareValues } from './compare.ts';
import { conflictError, type FieldConflict } from './conflicts.ts';
import { type FieldSet, formatFields } from './field-set.ts';
import { formatManagers, identityOf, type Manager, ownable, parseManagers } from './managers.ts';
import { mergeValues } from './merge.ts';
import { pruneFields } from './prune.ts';
import type { Tracking } from './track-update.ts';

export interface Applied {
  object: ApiObject;
  managedFields: ManagedFieldsEntry[];
}

/** The merged object and its managers. Throws StatusError 409 for conflicts unless `force`. */
export function applyPatch(tracking: Tracking, live: ApiObject, config: ApiObject, force: boolean): Applied {
  const wanted = withoutRoots(config, tracking.resetRoots);
  const managers = parseManagers(live.metadata.managedFields);
  const key = identityOf(tracking.identity);
  const last = managers.get(key);
  const fields = ownable(appliedFields(wanted, tracking.schema), tracking.resetRoots);
  managers.set(key, { ...tracking.identity, time: tracking.now, fields });

  const merged = mergeValues(live, wanted, tracking.schema);
  const owned = unionOf(managers);
  const pruned = last ? pruneFields(merged, tracking.schema, last.fields, owned) : merged;
  const object = keepIdentity(pruned as ApiObject, live);
  settleConflicts(tracking, managers, key, live, object, force);
  if (last && sameFields(last.fields, fields) && deepEqual(object, live)) managers.set(key, { ...last });
  return { object: withNoteOf(config, tracking, object), managedFields: formatManagers(managers) };
}

function settleConflicts(
  tracking: Tracking,
  managers: Map<string, Manager>,
  key: string,
  live: ApiObject,
  object: ApiObject,
  force: boolean,
): void {
  const { added, modified, removed } = compareValues(live, object, tracking.schema);
  const changed = modified.union(added);
  const conflicts: FieldConflict[] = [];
  for (const [other, manager] of managers) {
    if (other === key) continue;
    const contested = manager.fields.intersection(changed);
    for (const path of contested) conflicts.push({ manager, path });
    managers.set(other, { ...manager, fields: manager.fields.difference(contested).difference(removed) });
  }
  const own = clientSideApplied(tracking, live);
  if (!force && conflicts.some(({ path }) => !own.has(path))) throw conflictError(conflicts);
}

function unionOf(managers: Map<string, Manager>): FieldSet {
  return [...managers.values()].reduce<Set<string>>((all, manager) => all.union(manager.fields), new Set());
}

function sameFields(left: FieldSet, right: FieldSet): boolean {
  return deepEqual(formatFields(left), formatFields(right));
}

function withoutRoots(config: ApiObject, roots: readonly string[]): ApiObject {
  const dropped = new Set(roots.map((root) => root.slice(2)));
  const kept = Object.entries(config).filter(([name]) => !dropped.has(name));
  return { ...(Object.fromEntries(kept) as ApiObject), metadata: isJsonObject(config.metadata) ? config.metadata : {} };
}

/** The live object's managedFields stay until the new ones are known. */
function keepIdentity(object: ApiObject, live: ApiObject): ApiObject {
  const { managedFields: _applied, ...metadata } = object.metadata;
  const { managedFields } = live.metadata;
  return { ...object, metadata: { ...metadata, ...(managedFields && { managedFields }) } };
}
