// Conditions of an object. Invariant: lastTransitionTime moves only with the status, and no change gives the same list.
import type { Condition } from '@tvm/api/kinds/meta.ts';

export type ConditionIntent = Omit<Condition, 'lastTransitionTime'>;

export function conditionOf(conditions: readonly Condition[] | undefined, type: string): Condition | undefined {
  return conditions?.find((each) => each.type === type);
}

/** The list with these conditions set; the other ones stay. The very same list when nothing changes. */
export function withConditions(
  before: readonly Condition[] | undefined,
  intents: readonly ConditionIntent[],
  nowMs: number,
): Condition[] {
  const result = [...(before ?? [])];
  let changed = before === undefined;
  for (const intent of intents) {
    const index = result.findIndex((each) => each.type === intent.type);
    const next = transition(result[index], intent, nowMs);
    if (next === result[index]) continue;
    changed = true;
    if (index < 0) result.push(next);
    else result[index] = next;
  }
  return changed ? result : (before as Condition[]);
}

function transition(current: Condition | undefined, intent: ConditionIntent, nowMs: number): Condition {
  if (!current || current.status !== intent.status) {
    return { ...intent, lastTransitionTime: new Date(nowMs).toISOString().replace(/\.\d+Z$/, 'Z') };
  }
  const same = (['reason', 'message', 'observedGeneration'] as const).every(
    (field) => current[field] === intent[field],
  );
  return same ? current : { ...intent, lastTransitionTime: current.lastTransitionTime };
}
