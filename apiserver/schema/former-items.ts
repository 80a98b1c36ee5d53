// Which item of the former list an item of a list is. Invariant: only items of map-like lists have a former self.
import { listKeyOf } from './list-keys.ts';
import { listTypeOf, type Schema } from './schema.ts';

/** A function from an item to the item of `old` with the same key. */
export function formerItems(schema: Schema, old: unknown): (item: unknown) => unknown {
  const listType = listTypeOf(schema);
  if (listType.type !== 'map' || !Array.isArray(old)) return () => undefined;
  const keyOf = (item: unknown) => JSON.stringify(listKeyOf(item, listType.keys, schema.items));
  const byKey = new Map(old.map((item) => [keyOf(item), item]));
  return (item) => byKey.get(keyOf(item));
}
