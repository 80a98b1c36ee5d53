// Which waiting machines to make and which to destroy: a pure function of what there is. No actions: the pool is as wanted.
//
//   made (CREATING) ──▶ waiting (PAUSED, unused) ──claim──▶ live ──run ended──▶ spent ──▶ destroyed
//   failed, used without being live (this process was restarted), not wanted any more ────▶ destroyed
import { backoffMs } from '@tvm/kit/backoff.ts';
import { keyOfShape, type Shape } from './shape.ts';

export interface PoolMachine {
  uid: string;
  node: string;
  /** `execute`: made for one run; `pool`: made to wait. */
  owner: 'pool' | 'execute';
  state: 'making' | 'waiting' | 'ended';
  used: boolean;
  shape: Shape;
  /** live: a run has it; spent: a run had it. */
  held: 'live' | 'spent' | undefined;
}

export interface Target {
  shape: Shape;
  minReady: number;
  maxReady: number;
  /** Even the last room may be used for minReady of them. */
  firm: boolean;
  /** How many a second are asked for, the busiest second lately. */
  askedPerSecond: number;
  /** When one was last asked for. */
  askedAtMs: number;
  /** How long it takes to make one. */
  refillMs: number;
}

export interface PoolWorld {
  machines: PoolMachine[];
  /** Machines whose making keeps a processor busy, be it that only their call is under way. */
  busy: number;
  targets: Target[];
  failures: ReadonlyMap<string, { count: number; atMs: number }>;
  /** The most memory free on one node, MB. */
  roomMiB: number;
  /** Declared machines need the room: nothing is made before this, and what waits is destroyed. */
  drainUntilMs: number;
  /** A run has just begun: making machines would take the processor from it before this. */
  holdUntilMs: number;
  /** Not all targets are known yet: what waits may turn out to be wanted, and stays. */
  adopting: boolean;
  nowMs: number;
}

/** Why a machine that is wanted is not made now. */
export type Deferral = 'turn' | 'room' | 'failed';

export interface PoolPlan {
  create: Shape[];
  destroy: PoolMachine[];
  /** Shapes (by key) of which more is wanted than what there is and is made now. */
  deferred: Map<string, Deferral>;
}

const maxMaking = 2;
/** What takes longer is booted, not restored: one at a time, or each would take as long as all of them. */
const slowRefillMs = 1_500;
/** Room that stays free when machines are made for more than the minimum, MB. */
const reserveMiB = 512;
/** More than is wanted stays until nobody asked for this long. */
const quietMs = 30_000;
/** What takes longer to make does so because of something that more waiting machines would only make worse. */
const maxRefillMs = 1_000;
const failureBackoff = { baseMs: 5_000, maxMs: 300_000 };

/** The minimum, and as many more as are asked for while one is made, within the maximum. */
export function readyWanted({ minReady, maxReady, askedPerSecond, refillMs }: Target): number {
  const askedMeanwhile = (askedPerSecond * Math.min(refillMs, maxRefillMs)) / 1000;
  return Math.min(maxReady, minReady + Math.max(0, Math.ceil(askedMeanwhile - 0.1)));
}

export function planPool(world: PoolWorld): PoolPlan {
  const targets = world.nowMs < world.drainUntilMs ? [] : world.targets;
  const { kept, destroy } = sort(world, targets);
  const { create, have } = refill(world, targets, kept);
  const short = targets.filter((target) => countOf(have, target) < readyWanted(target));
  const room = world.roomMiB - create.reduce((sum, { memory }) => sum + memory, 0);
  return {
    create,
    destroy,
    deferred: new Map(short.map((target) => [keyOfShape(target.shape), whyNot(target, world, room, have) ?? 'turn'])),
  };
}

/** Which of the machines stay, counted by shape, and which do not. */
function sort(world: PoolWorld, targets: Target[]): { kept: Map<string, number>; destroy: PoolMachine[] } {
  const byKey = new Map(targets.map((target) => [keyOfShape(target.shape), target]));
  const kept = new Map<string, number>();
  const destroy: PoolMachine[] = [];
  for (const machine of world.machines.toSorted((a, b) => readiness(a) - readiness(b))) {
    if (machine.held === 'live') continue;
    const key = keyOfShape(machine.shape);
    const count = kept.get(key) ?? 0;
    if (isWaste(machine) || count >= keepable(byKey.get(key), world)) destroy.push(machine);
    else kept.set(key, count + 1);
  }
  return { kept, destroy };
}

/** As many as the rate and the room allow, of what is shortest first: minimums before what demand adds. */
function refill(world: PoolWorld, targets: Target[], kept: ReadonlyMap<string, number>) {
  const have = new Map(kept);
  const create: Shape[] = [];
  let room = world.roomMiB;
  const rate = world.nowMs < world.holdUntilMs ? 0 : Math.max(0, maxMaking - world.busy);
  while (create.length < rate) {
    const making = world.busy + create.length;
    const next = targets
      .filter(({ refillMs }) => refillMs <= slowRefillMs || making === 0)
      .filter((target) => countOf(have, target) < readyWanted(target) && !whyNot(target, world, room, have))
      .toSorted((a, b) => urgency(a, have) - urgency(b, have))[0];
    if (!next) break;
    create.push(next.shape);
    room -= next.shape.memory;
    have.set(keyOfShape(next.shape), countOf(have, next) + 1);
  }
  return { create, have };
}

const countOf = (counts: ReadonlyMap<string, number>, { shape }: Target) => counts.get(keyOfShape(shape)) ?? 0;

/** Negative below the minimum; the emptiest first. */
function urgency(target: Target, have: ReadonlyMap<string, number>): number {
  const count = countOf(have, target);
  return count < target.minReady ? count / target.minReady - 1 : count;
}

const readiness = ({ state }: PoolMachine) => (state === 'waiting' ? 0 : 1);

function keepable(target: Target | undefined, { adopting, nowMs, drainUntilMs }: PoolWorld): number {
  if (!target) return adopting && nowMs >= drainUntilMs ? Number.POSITIVE_INFINITY : 0;
  return nowMs - target.askedAtMs < quietMs ? target.maxReady : readyWanted(target);
}

function isWaste({ owner, state, used, held }: PoolMachine): boolean {
  return held === 'spent' || owner === 'execute' || state === 'ended' || used;
}

function whyNot(
  target: Target,
  { failures, nowMs }: PoolWorld,
  roomMiB: number,
  have: ReadonlyMap<string, number>,
): Deferral | undefined {
  const failed = failures.get(keyOfShape(target.shape));
  if (failed && nowMs < failed.atMs + backoffMs(failureBackoff, failed.count, () => 1)) return 'failed';
  const firm = target.firm && countOf(have, target) < target.minReady;
  return roomMiB >= target.shape.memory + (firm ? 0 : reserveMiB) ? undefined : 'room';
}
