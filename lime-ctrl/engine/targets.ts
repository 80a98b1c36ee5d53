// What should wait: what the settings say, what is declared, and what was used lately, each with how much it is asked for.
// Invariant: what nothing wants any more is forgotten with all that was counted of it.
import { makeDemand } from './demand.ts';
import type { Target } from './pool-plan.ts';
import { keyOfShape, type Shape, sameSize } from './shape.ts';

/** A shape that was used is kept waiting this long. */
export const keepUsedMs = 600_000;
const maxUsed = 8;
const warmMaxReady = 8;
const usedMaxReady = 4;
/** Until one was made it is not known whether they are booted or restored. */
const assumedRefillMs = 2_000;

export interface DeclaredTarget {
  shape: Shape;
  minReady: number;
  maxReady: number;
}

export interface Targets {
  /** `id` wants these to wait; undefined: nothing any more. */
  declare(id: string, target: DeclaredTarget | undefined): void;
  /** Somebody asks for a machine of this kind. */
  noteAsked(shape: Shape, nowMs: number): void;
  /** Such a machine was used: others will wait for a while. */
  noteUsed(shape: Shape, nowMs: number): void;
  /** One was made in this time. */
  noteMade(shape: Shape, tookMs: number): void;
  /** One for each shape. */
  list(nowMs: number): Target[];
  /** How many things are remembered. */
  readonly size: number;
}

type Bounds = Pick<Target, 'shape' | 'minReady' | 'maxReady' | 'firm'>;

/** Without `keepUsed` only `warm` and what is declared waits. */
export function makeTargets(warm: readonly Shape[], keepUsed = true): Targets {
  const declared = new Map<string, DeclaredTarget>();
  const used = new Map<string, { shape: Shape; atMs: number }>();
  const refills = new Map<string, number>();
  const demand = makeDemand();

  function bounds(): Map<string, Bounds> {
    const all = new Map<string, Bounds>();
    for (const { shape } of used.values())
      all.set(keyOfShape(shape), { shape, minReady: 1, maxReady: usedMaxReady, firm: false });
    for (const shape of warm) all.set(keyOfShape(shape), { shape, minReady: 1, maxReady: warmMaxReady, firm: true });
    for (const [key, sum] of sumsOf(declared.values())) {
      const minReady = Math.max(sum.minReady, all.get(key)?.minReady ?? 0);
      all.set(key, { ...sum, minReady, maxReady: Math.max(sum.maxReady, minReady), firm: true });
    }
    return all;
  }

  function forgetOthers(wanted: ReadonlyMap<string, Bounds>): void {
    for (const key of [...demand.keys()]) if (!wanted.has(key)) demand.forget(key);
    for (const key of [...refills.keys()]) if (!wanted.has(key)) refills.delete(key);
  }

  return {
    declare(id, target) {
      if (target) declared.set(id, target);
      else declared.delete(id);
    },
    noteAsked(shape, nowMs) {
      const wanted = [...bounds().values()].map((each) => each.shape);
      const key = keyOfShape(shape);
      const exact = wanted.find((each) => keyOfShape(each) === key);
      demand.note(keyOfShape(exact ?? wanted.find((each) => sameSize(each, shape)) ?? shape), nowMs);
    },
    noteUsed(shape, nowMs) {
      if (!keepUsed) return;
      used.delete(keyOfShape(shape));
      used.set(keyOfShape(shape), { shape, atMs: nowMs });
      const [oldest] = used.keys();
      if (used.size > maxUsed && oldest !== undefined) used.delete(oldest);
    },
    noteMade(shape, tookMs) {
      const before = refills.get(keyOfShape(shape)) ?? tookMs;
      refills.set(keyOfShape(shape), (before + tookMs) / 2);
    },
    list(nowMs) {
      for (const [key, { atMs }] of used) if (nowMs - atMs >= keepUsedMs) used.delete(key);
      const all = bounds();
      forgetOthers(all);
      return [...all].map(([key, each]) => ({
        ...each,
        askedPerSecond: demand.perSecond(key, nowMs),
        askedAtMs: demand.askedAtMs(key),
        refillMs: refills.get(key) ?? assumedRefillMs,
      }));
    },
    get size() {
      return declared.size + used.size + refills.size + [...demand.keys()].length;
    },
  };
}

/** Pools of one shape add up. */
function sumsOf(declared: Iterable<DeclaredTarget>): Map<string, DeclaredTarget> {
  const sums = new Map<string, DeclaredTarget>();
  for (const { shape, minReady, maxReady } of declared) {
    const before = sums.get(keyOfShape(shape)) ?? { minReady: 0, maxReady: 0 };
    sums.set(keyOfShape(shape), {
      shape,
      minReady: before.minReady + minReady,
      maxReady: before.maxReady + maxReady,
    });
  }
  return sums;
}
