// The machines of the execution engine: waiting ones per image and size, claimed in memory alone.
// Invariants: a machine is claimed at most once and never returns to the pool; what no run holds and the plan does not
// want is destroyed, be it left by a process that died.
import { randomUUID } from 'node:crypto';
import { TvmError } from '@tvm/api/errors.ts';
import { type Machine, MachineState } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import type { Clock } from '@tvm/kit/clock.ts';
import type { Logger } from '@tvm/kit/log.ts';
import type { Fleet, PlacedMachine } from '../flintlock/fleet.ts';
import { observeNodes } from '../placement/observe-nodes.ts';
import { place } from '../placement/place.ts';
import { keepUsedMs, keyOfShape, type PoolMachine, planPool, type Shape, type Target } from './pool-plan.ts';

const reviewMs = 2_000;
const drainMs = 30_000;
/** How long a run that has just begun has the processor to itself, unless it ends sooner. */
const holdMs = 500;
/** Lets the answer of a run go out before its machine is destroyed, and changes gather. */
const settleMs = 5;
const callDeadlineMs = 30_000;

export interface PoolView extends Shape {
  waiting: number;
  making: number;
}

export interface Pool {
  /** A machine that waits, or else one that is being made for that, now live; undefined when there is neither. */
  claim(shape: Shape): PlacedMachine | undefined;
  /** Begins to make a live machine for one run. Throws invalid_argument, resource_exhausted or unavailable. */
  make(shape: Shape): Promise<PlacedMachine>;
  /** A run began on such a machine: one will wait for a while. */
  noteUse(shape: Shape): void;
  /** The run is over: the machine will be destroyed. */
  spend(uid: string): void;
  /** Gives the room of waiting machines to declared ones. */
  yieldRoom(): void;
  view(): PoolView[];
  /** Keeps the pool as planned until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
}

export interface PoolDeps {
  fleet: Fleet;
  clock: Clock;
  log: Logger;
  /** Marks the machines of this replica. */
  replica: string;
  warm: Shape[];
}

export function makePool(deps: PoolDeps): Pool {
  const { fleet, clock, log, replica } = deps;
  const held = new Map<string, 'live' | 'spent'>();
  const targets = new Map<string, Target>(
    deps.warm.map((shape) => [keyOfShape(shape), { shape, always: true, usedAtMs: 0 }]),
  );
  const failures = new Map<string, { count: number; atMs: number }>();
  const destroying = new Set<string>();
  let making = 0;
  let drainUntilMs = 0;
  let holdUntilMs = 0;
  let reviewSoon = () => {};

  function machines(): PoolMachine[] {
    return fleet.machines().flatMap((placed) => poolMachineOf(placed, replica, held));
  }

  function claim(shape: Shape): PlacedMachine | undefined {
    const key = keyOfShape(shape);
    const unclaimed = machines().filter(
      (each) => keyOfShape(each.shape) === key && isUnclaimed(each) && isReachable(each.node),
    );
    const best =
      unclaimed.find((each) => each.state === 'waiting') ?? unclaimed.find((each) => each.state === 'making');
    if (!best) return undefined;
    held.set(best.uid, 'live');
    holdUntilMs = clock.now() + holdMs;
    return fleet.machine(best.uid);
  }

  function noteUse(shape: Shape): void {
    const key = keyOfShape(shape);
    targets.set(key, { shape, always: targets.get(key)?.always ?? false, usedAtMs: clock.now() });
  }

  const isReachable = (node: string) => fleet.nodes().some((each) => each.name === node && each.reachable);

  async function create(shape: Shape, owner: 'pool' | 'execute'): Promise<PlacedMachine> {
    const node = await chooseNode(shape, owner);
    const uid = randomUUID();
    if (owner === 'execute') held.set(uid, 'live');
    const request = {
      uid,
      generation: 1n,
      spec: { image: shape.image, cpus: shape.cpu, memoryMib: shape.memory, hostname: 'machine' },
      labels: { owner, replica },
    };
    try {
      const machine = await fleet.client(node).createMachine(request, { timeoutMs: callDeadlineMs });
      fleet.learn(node, machine);
      return { node, machine };
    } catch (error) {
      // The node may have made it all the same; then it is destroyed when it shows.
      if (owner === 'execute') held.set(uid, 'spent');
      throw error;
    }
  }

  async function chooseNode(shape: Shape, owner: 'pool' | 'execute'): Promise<string> {
    if (owner === 'execute') await fleet.refresh();
    let placement = place(shape, observeNodes(fleet));
    if (placement.node === undefined && placement.reason === 'NoRoom' && owner === 'execute') {
      await Promise.all(machines().filter(isWaiting).map(destroy));
      await fleet.refresh();
      placement = place(shape, observeNodes(fleet));
    }
    if (placement.node !== undefined) return placement.node;
    throw placementError(placement.reason, placement.message);
  }

  async function destroy({ uid, node }: PoolMachine): Promise<void> {
    if (destroying.has(uid)) return;
    destroying.add(uid);
    held.set(uid, 'spent');
    try {
      await fleet.client(node).destroyMachine({ uid, generation: 1n }, { timeoutMs: callDeadlineMs });
    } catch (error) {
      log.warn({ why: TvmError.from(error).message, machine: uid, node }, 'machine not destroyed, will try again');
    } finally {
      destroying.delete(uid);
    }
  }

  async function refill(shape: Shape): Promise<void> {
    making += 1;
    try {
      await create(shape, 'pool');
    } catch (error) {
      noteFailure(shape);
      log.warn({ why: TvmError.from(error).message, ...shape }, 'no machine for the pool');
    } finally {
      making -= 1;
    }
  }

  function noteFailure(shape: Shape): void {
    const key = keyOfShape(shape);
    failures.set(key, { count: (failures.get(key)?.count ?? 0) + 1, atMs: clock.now() });
  }

  function review(): void {
    const nowMs = clock.now();
    for (const [key, target] of targets)
      if (!target.always && nowMs - target.usedAtMs >= keepUsedMs) targets.delete(key);
    const nodes = observeNodes(fleet).filter((node) => node.reachable);
    if (nodes.length === 0) return;
    const roomMiB = Math.max(...nodes.map((node) => node.memoryFreeMiB));
    const reachable = machines().filter((each) => isReachable(each.node));
    const world = {
      machines: reachable,
      making,
      targets: [...targets.values()],
      failures,
      roomMiB,
      drainUntilMs,
      holdUntilMs,
      nowMs,
    };
    const plan = planPool(world);
    for (const machine of plan.destroy) void destroy(machine);
    for (const shape of plan.create) void refill(shape);
  }

  function onMachine(uid: string, machine: Machine | undefined): void {
    if (!machine) held.delete(uid);
    else if (machine.labels.owner !== 'pool' || machine.labels.replica !== replica) return;
    else if (machine.state === MachineState.RUNNING) failures.delete(keyOfShape(shapeOf(machine)));
    else if (machine.state === MachineState.FAILED && held.get(uid) === undefined) {
      log.warn({ machine: uid, reason: machine.reason, message: machine.message }, 'a machine of the pool failed');
      noteFailure(shapeOf(machine));
    }
    reviewSoon();
  }

  async function run(signal: AbortSignal): Promise<void> {
    const stop = fleet.subscribe((event) =>
      event.type === 'machine' ? onMachine(event.uid, event.machine) : reviewSoon(),
    );
    while (!signal.aborted) {
      review();
      const woken = new AbortController();
      reviewSoon = () => woken.abort();
      const heldMs = holdUntilMs - clock.now();
      await clock.sleep(heldMs > 0 ? heldMs : reviewMs, AbortSignal.any([signal, woken.signal]));
      await clock.sleep(settleMs, signal);
    }
    stop();
  }

  return {
    claim,
    make: (shape) => create(shape, 'execute'),
    noteUse,
    spend(uid) {
      held.set(uid, 'spent');
      holdUntilMs = 0;
      reviewSoon();
    },
    yieldRoom() {
      drainUntilMs = clock.now() + drainMs;
      reviewSoon();
    },
    view: () => [...targets.values()].map(({ shape }) => viewOf(shape, machines())),
    run,
  };
}

function viewOf(shape: Shape, machines: PoolMachine[]): PoolView {
  const same = machines.filter((each) => keyOfShape(each.shape) === keyOfShape(shape) && !each.held);
  return {
    ...shape,
    waiting: same.filter(isWaiting).length,
    making: same.filter((each) => each.state === 'making' && each.owner === 'pool').length,
  };
}

function isUnclaimed({ owner, used, held }: PoolMachine): boolean {
  return owner === 'pool' && !used && held === undefined;
}

function isWaiting(machine: PoolMachine): boolean {
  return isUnclaimed(machine) && machine.state === 'waiting';
}

/** What kind of machine it is. */
export function shapeOf({ spec }: Machine): Shape {
  return { image: spec?.image ?? '', cpu: spec?.cpus ?? 0, memory: spec?.memoryMib ?? 0 };
}

function poolMachineOf(
  { node, machine }: PlacedMachine,
  replica: string,
  held: ReadonlyMap<string, 'live' | 'spent'>,
): PoolMachine[] {
  const { owner } = machine.labels;
  if ((owner !== 'pool' && owner !== 'execute') || machine.labels.replica !== replica) return [];
  if (machine.state === MachineState.DESTROYING) return [];
  const { uid, used } = machine;
  return [{ uid, node, owner, used, shape: shapeOf(machine), state: stateOf(machine), held: held.get(uid) }];
}

function stateOf({ state }: Machine): PoolMachine['state'] {
  if (state === MachineState.CREATING) return 'making';
  return state === MachineState.RUNNING || state === MachineState.PAUSED ? 'waiting' : 'ended';
}

function placementError(reason: string, message: string): TvmError {
  if (reason === 'TooLarge') {
    return new TvmError('invalid_argument', `no node is large enough: ${message}`, {
      reason,
      hint: 'Ask for less memory or fewer CPUs; /v1/status shows what the nodes have.',
    });
  }
  if (reason === 'NoRoom') {
    return new TvmError('resource_exhausted', `no node has room: ${message}`, { reason, retryAfterSeconds: 5 });
  }
  return new TvmError('unavailable', message, { reason, hint: 'Is flintlock running? See "vvm status".' });
}
