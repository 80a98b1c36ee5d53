// Which waiting machines to make and which to destroy: a pure function of what there is. No actions: the pool is as wanted.
//
//   made (CREATING) ──▶ waiting (RUNNING, unused) ──claim──▶ live ──run ended──▶ spent ──▶ destroyed
//   failed, used without being live (this process was restarted), not wanted any more ────▶ destroyed
import { backoffMs } from '@tvm/kit/backoff.ts';

export interface Shape {
  image: string;
  cpu: number;
  /** MB */
  memory: number;
}

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
  /** Kept without being used. */
  always: boolean;
  usedAtMs: number;
}

export interface PoolWorld {
  machines: PoolMachine[];
  /** Machines that calls under way will make. */
  making: number;
  targets: Target[];
  failures: ReadonlyMap<string, { count: number; atMs: number }>;
  /** The most memory free on one node, MB. */
  roomMiB: number;
  /** Declared machines need the room: nothing is made before this. */
  drainUntilMs: number;
  /** A run has just begun: making machines would take the processor from it before this. */
  holdUntilMs: number;
  nowMs: number;
}

export interface PoolPlan {
  create: Shape[];
  destroy: PoolMachine[];
  /** What else is wanted but must wait for its turn, its backoff, or room. */
  deferred: number;
}

export const keepUsedMs = 600_000;
const maxMaking = 2;
/** Room that stays free when machines are made only because such ones were used lately, MB. */
const reserveMiB = 512;
const failureBackoff = { baseMs: 5_000, maxMs: 300_000 };

export function keyOfShape({ image, cpu, memory }: Shape): string {
  return `${image}|${cpu}|${memory}`;
}

export function planPool(world: PoolWorld): PoolPlan {
  const wanted = new Map(
    world.targets.filter((target) => isWanted(target, world)).map((t) => [keyOfShape(t.shape), t]),
  );
  const kept = new Set<string>();
  const destroy: PoolMachine[] = [];
  for (const machine of world.machines) {
    if (machine.held === 'live') continue;
    const key = keyOfShape(machine.shape);
    if (isWaste(machine) || !wanted.has(key) || kept.has(key)) destroy.push(machine);
    else kept.add(key);
  }
  const missing = [...wanted.values()].filter((target) => !kept.has(keyOfShape(target.shape)));
  const busy = world.machines.filter((each) => each.state === 'making').length + world.making;
  const rate = world.nowMs < world.holdUntilMs ? 0 : Math.max(0, maxMaking - busy);
  const create = missing.filter((target) => mayMake(target, world)).slice(0, rate);
  return { create: create.map(({ shape }) => shape), destroy, deferred: missing.length - create.length };
}

function isWanted(target: Target, { nowMs, drainUntilMs }: PoolWorld): boolean {
  if (nowMs < drainUntilMs) return false;
  return target.always || nowMs - target.usedAtMs < keepUsedMs;
}

function isWaste({ owner, state, used, held }: PoolMachine): boolean {
  return held === 'spent' || owner === 'execute' || state === 'ended' || used;
}

function mayMake({ shape, always }: Target, { failures, nowMs, roomMiB }: PoolWorld): boolean {
  const failed = failures.get(keyOfShape(shape));
  if (failed && nowMs < failed.atMs + backoffMs(failureBackoff, failed.count, () => 1)) return false;
  return roomMiB >= shape.memory + (always ? 0 : reserveMiB);
}
