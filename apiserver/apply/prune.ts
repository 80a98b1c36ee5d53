// Removal of fields that a manager applied before and no longer names, unless another manager owns them.
import type { Schema } from '../schema/schema.ts';
import { type Child, childrenOf, isKeyField, withChildren } from './children.ts';
import { childPath, type FieldSet, hasBelow } from './field-set.ts';

/** `last`: what the manager applied before; `owned`: what any manager owns now. */
export function pruneFields(value: unknown, schema: Schema | undefined, last: FieldSet, owned: FieldSet): unknown {
  return prune({ element: '', value, schema }, '', last, owned)?.value;
}

function prune(node: Child, path: string, last: FieldSet, owned: FieldSet): Child | undefined {
  const isOwned = owned.has(path) || hasBelow(owned, path);
  if (path !== '' && last.has(path) && !isOwned) return undefined;
  const children = childrenOf(node.value, node.schema);
  if (!children || (path !== '' && !hasBelow(last, path))) return node;
  const kept = children.flatMap((child) => {
    if (isKeyField(node.element, child.element)) return [child];
    return prune(child, childPath(path, child.element), last, owned) ?? [];
  });
  if (kept.length === 0 && children.length > 0 && path !== '' && !isOwned) return undefined;
  return { ...node, value: withChildren(node.value, kept) };
}
