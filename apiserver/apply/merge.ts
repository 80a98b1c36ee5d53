// Structured merge: what the applied configuration names replaces, the rest of the live value stays.
import type { Schema } from '../schema/schema.ts';
import { type Child, childrenOf, withChildren } from './children.ts';

export function mergeValues(live: unknown, applied: unknown, schema: Schema | undefined): unknown {
  if (applied === undefined) return live;
  const left = childrenOf(live, schema);
  const right = childrenOf(applied, schema);
  if (!left || !right || Array.isArray(live) !== Array.isArray(applied)) return applied;
  return withChildren(applied, mergeChildren(left, right));
}

/** Shared children come in the order of the configuration, those of the live value alone stay before the next shared one. */
function mergeChildren(left: Child[], right: Child[]): Child[] {
  const live = new Map(left.map((child) => [child.element, child]));
  const applied = new Set(right.map((child) => child.element));
  const result: Child[] = [];
  const rest = right.values();
  const takeApplied = (untilShared: boolean) => {
    for (let next = rest.next(); !next.done; next = rest.next()) {
      const before = live.get(next.value.element);
      result.push({ ...next.value, value: mergeValues(before?.value, next.value.value, next.value.schema) });
      if (before && untilShared) return;
    }
  };
  for (const child of left) {
    if (applied.has(child.element)) takeApplied(true);
    else result.push(child);
  }
  takeApplied(false);
  return result;
}
