// The fields that a configuration names: its leaves, and the items of its lists.
import type { Schema } from '../schema/schema.ts';
import { childrenOf } from './children.ts';
import { childPath } from './field-set.ts';

export function appliedFields(value: unknown, schema: Schema | undefined): Set<string> {
  const set = new Set<string>();
  collect(value, schema, '', set);
  return set;
}

function collect(value: unknown, schema: Schema | undefined, path: string, set: Set<string>): void {
  const children = childrenOf(value, schema);
  if (!children || children.length === 0) {
    if (path !== '') set.add(path);
    return;
  }
  for (const child of children) {
    const at = childPath(path, child.element);
    if (!child.element.startsWith('f:')) set.add(at);
    collect(child.value, child.schema, at, set);
  }
}
