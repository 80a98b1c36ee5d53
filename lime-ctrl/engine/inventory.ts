// The machines of the execution engine as the fleet knows them, and which of them runs hold: claims happen here, in memory.
// Invariants: a machine is claimed at most once; what is remembered of a machine goes with the machine.
import { type Machine, MachineState } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import type { Clock } from '@tvm/kit/clock.ts';
import type { Fleet, PlacedMachine } from '../flintlock/fleet.ts';
import type { PoolMachine } from './pool-plan.ts';
import { keyOfShape, type Shape, sameSize, shapeOf } from './shape.ts';

/** How long a run that has just begun has the processor to itself, unless it ends sooner. */
const holdMs = 500;
/** What takes longer to be made waits for something else than a processor: an image that is pulled. */
const busyMs = 10_000;

export interface Inventory {
  machines(): PoolMachine[];
  /** How many wait that other replicas have made. */
  waitingElsewhere(shape: Shape): number;
  /** A machine that waits, or else one that is being made for that, now live; undefined when there is neither. */
  claim(shape: Shape): PlacedMachine | undefined;
  /** A machine begins to be made; for a run: it is live from the beginning. */
  begin(uid: string, owner: PoolMachine['owner']): void;
  /** It is not being made after all. */
  abandon(uid: string): void;
  spend(uid: string): void;
  /** Takes note of a machine as it is now; how long it took to make when that has just ended. */
  note(uid: string, machine: Machine | undefined): number | undefined;
  /** Machines whose making keeps a processor busy. */
  busy(): number;
  /** Until when a run that has just begun should have the processor to itself. */
  holdUntilMs(): number;
  /** How many machines something is remembered of. */
  readonly size: number;
}

export function makeInventory({ fleet, clock, replica }: { fleet: Fleet; clock: Clock; replica: string }): Inventory {
  const held = new Map<string, { state: 'live' | 'spent'; sinceMs: number }>();
  const begunMs = new Map<string, number>();

  function machines(): PoolMachine[] {
    return fleet.machines().flatMap(({ node, machine }) => {
      const { owner } = machine.labels;
      if ((owner !== 'pool' && owner !== 'execute') || machine.labels.replica !== replica) return [];
      if (machine.state === MachineState.DESTROYING) return [];
      const { uid, used } = machine;
      const facts = { shape: shapeOf(machine), state: stateOf(machine), held: held.get(uid)?.state };
      return [{ uid, node, owner, used, ...facts }];
    });
  }

  function waitingElsewhere(shape: Shape): number {
    const key = keyOfShape(shape);
    return fleet.machines().filter(({ machine }) => {
      const { owner, replica: maker } = machine.labels;
      const waits = owner === 'pool' && maker !== replica && !machine.used && stateOf(machine) === 'waiting';
      return waits && keyOfShape(shapeOf(machine)) === key;
    }).length;
  }

  function claim(shape: Shape): PlacedMachine | undefined {
    const reachable = new Set(fleet.nodes().flatMap((node) => (node.reachable && !node.draining ? [node.name] : [])));
    const key = keyOfShape(shape);
    const open = machines().filter(
      (each) => sameSize(each.shape, shape) && isUnclaimed(each) && reachable.has(each.node),
    );
    const alike = open.filter((each) => keyOfShape(each.shape) === key);
    const best = alike.find(isWaiting) ?? open.find(isWaiting) ?? alike.find(({ state }) => state === 'making');
    if (!best) return undefined;
    held.set(best.uid, { state: 'live', sinceMs: clock.now() });
    return fleet.machine(best.uid);
  }

  return {
    machines,
    waitingElsewhere,
    claim,
    begin(uid, owner) {
      begunMs.set(uid, clock.now());
      if (owner === 'execute') held.set(uid, { state: 'live', sinceMs: clock.now() });
    },
    abandon(uid) {
      begunMs.delete(uid);
      held.delete(uid);
    },
    spend(uid) {
      if (fleet.machine(uid)) held.set(uid, { state: 'spent', sinceMs: clock.now() });
      else held.delete(uid);
    },
    note(uid, machine) {
      if (!machine) held.delete(uid);
      if (machine?.state === MachineState.CREATING) return undefined;
      const beganMs = begunMs.get(uid);
      begunMs.delete(uid);
      return beganMs !== undefined && machine && stateOf(machine) === 'waiting' ? clock.now() - beganMs : undefined;
    },
    busy: () => [...begunMs.values()].filter((beganMs) => clock.now() - beganMs < busyMs).length,
    holdUntilMs: () =>
      Math.max(0, ...[...held.values()].map(({ state, sinceMs }) => (state === 'live' ? sinceMs + holdMs : 0))),
    get size() {
      return held.size + begunMs.size;
    },
  };
}

export function isUnclaimed({ owner, used, held }: PoolMachine): boolean {
  return owner === 'pool' && !used && held === undefined;
}

export function isWaiting(machine: PoolMachine): boolean {
  return isUnclaimed(machine) && machine.state === 'waiting';
}

/** Runs, or is paused to wait for its run. */
export function isUp({ state }: Machine): boolean {
  return state === MachineState.RUNNING || state === MachineState.PAUSED;
}

function stateOf(machine: Machine): PoolMachine['state'] {
  if (machine.state === MachineState.CREATING) return 'making';
  return isUp(machine) ? 'waiting' : 'ended';
}
