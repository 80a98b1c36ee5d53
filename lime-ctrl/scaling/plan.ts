// How many flintlocks there should be, and which of them may go: a pure function.
//
//   machines wait for room ──▶ as many more as they fill, those on their way counted
//   one has had nothing to do for idleMs, and nobody waits ──▶ one less, that one
import type { Demand } from '../placement/place.ts';

/** How long a flintlock must have been idle, and the last change ago, before one is taken away. */
export const idleMs = 300_000;
/** What does not answer for so long is not on its way any more: others are needed in its place. */
export const startMs = 180_000;
/** Demand that is gone by then was met by machines that ended. */
export const patienceMs = 5_000;

export interface ScalableNode {
  name: string;
  memoryMiB: number;
  draining: boolean;
  /** It does not answer yet. */
  starting: boolean;
  /** Machines that are somebody's; those that merely wait can wait elsewhere. */
  busyMachines: number;
  /** Since when there are none; undefined: there are. */
  idleSinceMs: number | undefined;
}

export interface Observed {
  /** As many are asked for now. */
  replicas: number;
  min: number;
  max: number;
  nodes: ScalableNode[];
  /** What waits for room. */
  pending: Demand[];
  /** Since when something does. */
  pendingSinceMs: number | undefined;
  /** When the number was last changed. */
  changedAtMs: number;
  nowMs: number;
}

export interface ScalePlan {
  replicas: number;
  /** What it costs to lose each, when one is taken away: the cheapest goes. */
  costs: Map<string, number>;
  /** Why the number changes, for a person. */
  why: string;
}

const spared = -1_000;

export function planScale(observed: Observed): ScalePlan {
  const { replicas, min, max } = observed;
  const within = Math.min(max, Math.max(min, replicas));
  if (within !== replicas) return change(within, `between ${min} and ${max} are allowed`);
  const wanted = Math.min(max, wantedFor(observed));
  if (wanted > replicas) return change(wanted, `${observed.pending.length} machines wait for room`);
  const idle = idleNode(observed);
  if (!idle) return change(replicas, '');
  const costs = observed.nodes.map(
    ({ name, busyMachines }) => [name, name === idle.name ? spared : busyMachines] as const,
  );
  return { ...change(replicas - 1, `${idle.name} has had nothing to do`), costs: new Map(costs) };
}

function change(replicas: number, why: string): ScalePlan {
  return { replicas, costs: new Map(), why };
}

function wantedFor({ nodes, pending, pendingSinceMs, nowMs }: Observed): number {
  const waited = pendingSinceMs !== undefined && nowMs - pendingSinceMs >= patienceMs;
  if (pending.length === 0 || !waited) return 0;
  const there = nodes.filter(({ draining, starting }) => !draining && !starting);
  return there.length + nodesFor(pending, Math.max(0, ...there.map(({ memoryMiB }) => memoryMiB)));
}

/** How many nodes of this size they fill, the largest first. One when nothing is known of the size. */
function nodesFor(pending: readonly Demand[], memoryMiB: number): number {
  if (memoryMiB === 0) return 1;
  const free: number[] = [];
  for (const { memory } of pending.toSorted((a, b) => b.memory - a.memory)) {
    const at = free.findIndex((left) => left >= memory);
    if (at >= 0) free[at] = (free[at] ?? 0) - memory;
    else if (memory <= memoryMiB) free.push(memoryMiB - memory);
  }
  return free.length;
}

/** The one that has been idle longest. None while not all are there that were asked for: one of those may be it. */
function idleNode({ replicas, min, nodes, pending, changedAtMs, nowMs }: Observed): ScalableNode | undefined {
  const settled = nodes.length === replicas && nowMs - changedAtMs >= idleMs;
  if (replicas <= min || pending.length > 0 || !settled) return undefined;
  return nodes
    .filter(({ draining, idleSinceMs }) => !draining && idleSinceMs !== undefined && nowMs - idleSinceMs >= idleMs)
    .toSorted((a, b) => (a.idleSinceMs ?? 0) - (b.idleSinceMs ?? 0) || a.name.localeCompare(b.name))[0];
}
