// Objects and lists in the form that the client asked for.
import type { ApiObject, JsonObject } from '../objects/api-object.ts';
import type { ObjectList } from '../objects/list.ts';
import { groupVersionOf, listKindOf, type Resource } from '../resources/resource.ts';
import { type IncludeObject, partialOf, tableOf } from '../table/table.ts';
import type { Accepted } from './accept.ts';

export interface Presentation {
  accepted: Accepted;
  include: IncludeObject;
  nowMs: number;
}

export function presentObject(resource: Resource, object: ApiObject, how: Presentation): JsonObject {
  if (how.accepted.as === 'Table') {
    return tableOf(resource, [object], { resourceVersion: object.metadata.resourceVersion }, how);
  }
  return how.accepted.as === '' ? { ...object } : partialOf(object);
}

export function presentList(resource: Resource, list: ObjectList, how: Presentation): JsonObject {
  const { items, metadata } = list;
  if (how.accepted.as === 'Table') return tableOf(resource, items, { ...metadata }, how);
  if (how.accepted.as !== '') {
    const partial = { kind: 'PartialObjectMetadataList', apiVersion: 'meta.k8s.io/v1' };
    return { ...partial, metadata, items: items.map(partialOf) };
  }
  const shown = resource.custom ? items : items.map(({ apiVersion: _version, kind: _kind, ...item }) => item);
  return { kind: listKindOf(resource), apiVersion: groupVersionOf(resource), metadata, items: shown };
}

/** The object of a watch event; only the first table has its columns. */
export function presentEvent(resource: Resource, object: JsonObject, how: Presentation, isFirst: boolean): JsonObject {
  const { as } = how.accepted;
  if (as === '' || object.kind === 'Status') return object;
  const isBookmark = (object as ApiObject).metadata?.uid === undefined;
  if (as === 'Table') {
    const metadata = { resourceVersion: (object as ApiObject).metadata.resourceVersion };
    const rows = isBookmark ? [] : [object as ApiObject];
    const table = tableOf(resource, rows, metadata, { ...how, withColumns: isFirst });
    return isBookmark ? withBookmarkRow(table, object) : table;
  }
  return partialOf(object as ApiObject);
}

/** A bookmark in a table is one row without cells, whose object carries the version and annotations. */
function withBookmarkRow(table: JsonObject, bookmark: JsonObject): JsonObject {
  return { ...table, rows: [{ cells: [], object: partialOf(bookmark as ApiObject) }] };
}
