// The parts of a value that server-side apply tells apart, by schema: fields of maps, items of map and set lists.
import { isJsonObject } from '../objects/api-object.ts';
import { listKeyOf } from '../schema/list-keys.ts';
import { isAtomicMap, listTypeOf, propertyOf, type Schema } from '../schema/schema.ts';
import { fieldElement } from './field-set.ts';

export interface Child {
  element: string;
  value: unknown;
  schema: Schema | undefined;
}

/** The children of a granular value in order; undefined for scalars, atomic maps and lists, and null. */
export function childrenOf(value: unknown, schema: Schema | undefined): Child[] | undefined {
  if (Array.isArray(value)) return itemsOf(value, schema);
  if (!isJsonObject(value) || isAtomicMap(schema)) return undefined;
  return Object.entries(value)
    .filter(([, field]) => field !== undefined)
    .map(([name, field]) => ({ element: fieldElement(name), value: field, schema: propertyOf(schema, name) }));
}

function itemsOf(list: unknown[], schema: Schema | undefined): Child[] | undefined {
  const listType = listTypeOf(schema);
  if (listType.type === 'atomic') return undefined;
  return list.map((value) => ({ element: itemElement(value, schema), value, schema: schema?.items }));
}

/** `k:{"name":"A"}` of an item of a map list, `v:"x"` of a set. */
function itemElement(item: unknown, schema: Schema | undefined): string {
  const listType = listTypeOf(schema);
  if (listType.type === 'map') return `k:${JSON.stringify(listKeyOf(item, listType.keys, schema?.items))}`;
  return `v:${JSON.stringify(item)}`;
}

/** A value of the same sort as `like` with these children. */
export function withChildren(like: unknown, children: readonly Child[]): unknown {
  if (Array.isArray(like)) return children.map((child) => child.value);
  return Object.fromEntries(children.map((child) => [child.element.slice(2), child.value]));
}

/** The fields of an item that make its key, which no removal may touch. */
export function isKeyField(parentElement: string, element: string): boolean {
  if (!parentElement.startsWith('k:') || !element.startsWith('f:')) return false;
  return Object.hasOwn(JSON.parse(parentElement.slice(2)), element.slice(2));
}
