// Which fields differ between two values, as structured merge sees them.
import { deepEqual } from '../objects/deep-equal.ts';
import type { Schema } from '../schema/schema.ts';
import { type Child, childrenOf } from './children.ts';
import { childPath } from './field-set.ts';

export interface Comparison {
  added: Set<string>;
  modified: Set<string>;
  removed: Set<string>;
}

export function compareValues(before: unknown, after: unknown, schema: Schema | undefined): Comparison {
  const comparison: Comparison = { added: new Set(), modified: new Set(), removed: new Set() };
  compare(before, after, schema, '', comparison);
  return comparison;
}

function compare(before: unknown, after: unknown, schema: Schema | undefined, path: string, result: Comparison): void {
  if (path !== '' && before === undefined) result.added.add(path);
  if (path !== '' && after === undefined) result.removed.add(path);
  const left = childrenOf(before, schema);
  const right = childrenOf(after, schema);
  const isLeaf = (!left && !right) || ((left?.length ?? 0) === 0 && (right?.length ?? 0) === 0);
  if (isLeaf || (before !== undefined && after !== undefined && !left !== !right)) {
    if (before !== undefined && after !== undefined && !deepEqual(before, after)) result.modified.add(path);
    return;
  }
  for (const [element, [old, next]] of paired(left ?? [], right ?? [])) {
    compare(old?.value, next?.value, (next ?? old)?.schema, childPath(path, element), result);
  }
}

function paired(left: Child[], right: Child[]): Map<string, [Child | undefined, Child | undefined]> {
  const pairs = new Map<string, [Child | undefined, Child | undefined]>();
  for (const child of left) pairs.set(child.element, [child, undefined]);
  for (const child of right) pairs.set(child.element, [pairs.get(child.element)?.[0], child]);
  return pairs;
}
