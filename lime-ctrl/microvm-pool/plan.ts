// From (MicroVMPool, what waits, now) to a status; and what the engines should keep waiting for it. Pure, never throws.
//
//   Ready=False Filling ──▶ Ready=True ◀──claims──▶ Ready=False Refilling
//   NoRoom, NoNode, ImagePullFailed, …: why none is made
import type { MicroVmPool, MicroVmPoolStatus } from '@tvm/api/kinds/microvm-pool.ts';
import { type ConditionIntent, conditionOf, withConditions } from '@tvm/kit/kube/conditions.ts';
import type { EventIntent } from '@tvm/kit/kube/event-recorder.ts';
import { interpreterOfImage } from '../engine/languages.ts';
import type { Standing } from '../engine/pool.ts';
import type { DeclaredTarget } from '../engine/targets.ts';
import { quotaExceeded } from '../quota/quota.ts';

/** As many more than the minimum may wait when nothing else is said. */
const defaultSpare = 8;
const lookAgainMs = 5_000;

export interface Observed {
  pool: MicroVmPool;
  /** Of all machines of this shape. */
  standing: Standing;
  /** Of those that wait, how many are this pool's. */
  ready: number;
  /** As many as its namespace's quota lets it keep; undefined: as many as it says. */
  granted?: number | undefined;
  nodesReachable: boolean;
  nowMs: number;
}

export interface PoolPlan {
  /** The very same object when nothing changed. */
  status: MicroVmPoolStatus;
  events: EventIntent[];
  requeueAfterMs: number | undefined;
}

/** What the engine should keep waiting for it. */
export function targetOf({ metadata: { namespace = '' }, spec }: MicroVmPool): DeclaredTarget {
  const machine = spec.template.spec;
  const { image, cpu, memory, interpreter = interpreterOfImage(image), limits, imagePullSecrets } = machine;
  const { minReady = 1, maxReady = minReady + defaultSpare } = spec;
  return {
    shape: {
      ...{ image, cpu, memory, interpreter: interpreter === 'none' ? '' : interpreter },
      ...(limits && { limits }),
      ...(imagePullSecrets?.length && { pullSecrets: { namespace, names: imagePullSecrets.map(({ name }) => name) } }),
    },
    minReady,
    maxReady: Math.max(minReady, maxReady),
  };
}

/** With a quota nothing more waits than was granted, also when more is asked for. */
export function withinGrant(target: DeclaredTarget, granted: number | undefined): DeclaredTarget {
  return granted === undefined ? target : { ...target, minReady: granted, maxReady: granted };
}

/** Divides what waits among pools of one shape, the first ones first: minimums, then the rest. */
export function shareReady(targets: readonly DeclaredTarget[], waiting: number): number[] {
  let left = waiting;
  const shares = targets.map(({ minReady }) => {
    const share = Math.min(minReady, left);
    left -= share;
    return share;
  });
  return targets.map(({ maxReady }, index) => {
    const share = shares[index] ?? 0;
    const more = Math.min(maxReady - share, left);
    left -= more;
    return share + more;
  });
}

export function planMicroVmPool(observed: Observed): PoolPlan {
  const { pool, ready, nowMs } = observed;
  const before = pool.status ?? {};
  const target = targetOf(pool);
  const observedGeneration = pool.metadata.generation ?? 0;
  const condition = readyCondition(observed, target, wasFilled(before, observedGeneration));
  const conditions = withConditions(before.conditions, [{ ...condition, observedGeneration }], nowMs);
  const selector = `vvm.tvm.github.com/pool=${pool.metadata.name}`;
  const next: MicroVmPoolStatus = { ...before, ready, selector, observedGeneration, conditions };
  const same =
    conditions === before.conditions &&
    before.ready === ready &&
    before.selector === selector &&
    before.observedGeneration === observedGeneration;
  return {
    status: same ? before : next,
    events: eventsOf(before, condition, target, observedGeneration),
    requeueAfterMs: condition.status === 'True' ? undefined : lookAgainMs,
  };
}

/** Whether as many waited as the object asks for: then claims are why fewer do. */
function wasFilled({ conditions }: MicroVmPoolStatus, generation: number): boolean {
  const ready = conditionOf(conditions, 'Ready');
  return ready?.observedGeneration === generation && (ready.reason === 'Ready' || ready.reason === 'Refilling');
}

function readyCondition(
  { standing, ready, granted, nodesReachable }: Observed,
  { minReady }: DeclaredTarget,
  filled: boolean,
): ConditionIntent {
  const { failure, deferral } = standing;
  const no = (reason: string, message: string): ConditionIntent => ({
    type: 'Ready',
    status: 'False',
    reason,
    message,
  });
  const count = `${ready} of ${minReady} machines wait`;
  if (!nodesReachable) return { ...no('NoNode', 'no node answers'), status: ready > 0 ? 'Unknown' : 'False' };
  if (ready >= minReady)
    return { type: 'Ready', status: 'True', reason: 'Ready', message: `${minReady} machines wait` };
  if (granted !== undefined && granted < minReady)
    return no(quotaExceeded, `${count}: the quota of the namespace lets ${granted} wait`);
  if (failure) return no(failure.reason || 'Failed', `${count}: ${failure.message}`);
  if (deferral === 'room') return no('NoRoom', `${count}: no node has room for another`);
  return no(filled ? 'Refilling' : 'Filling', count);
}

const ordinary = new Set(['Ready', 'Filling', 'Refilling']);

/** Each change of what is wanted, each new trouble and its end; not every claim. */
function eventsOf(
  before: MicroVmPoolStatus,
  { reason, message }: ConditionIntent,
  { minReady, maxReady }: DeclaredTarget,
  generation: number,
): EventIntent[] {
  const events: EventIntent[] = [];
  const was = conditionOf(before.conditions, 'Ready')?.reason;
  if (before.observedGeneration !== generation) {
    events.push({ type: 'Normal', reason: 'Scaled', message: `${minReady} machines will wait, ${maxReady} at most` });
  }
  if (!ordinary.has(reason) && was !== reason) events.push({ type: 'Warning', reason, message });
  if (reason === 'Ready' && was !== reason && was !== 'Refilling') {
    events.push({ type: 'Normal', reason, message });
  }
  return events;
}
