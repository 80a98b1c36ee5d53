// The pool: keeps as many machines waiting as the plan says, and hands them out.
// Invariants: a machine is claimed at most once and never returns to the pool; what no run holds and the plan does not
// want is destroyed, be it left by a process that died.
import { TvmError } from '@tvm/api/errors.ts';
import { type Machine, MachineState } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import type { Clock } from '@tvm/kit/clock.ts';
import type { Logger } from '@tvm/kit/log.ts';
import type { Fleet, PlacedMachine } from '../flintlock/fleet.ts';
import { observeNodes } from '../placement/observe-nodes.ts';
import { type Demand, takesMachines } from '../placement/place.ts';
import { isUnclaimed, isWaiting, makeInventory } from './inventory.ts';
import { makeRoom } from './make-room.ts';
import { makeMaker, noRoom, type ReadCredentials } from './maker.ts';
import { type Deferral, type PoolMachine, planPool, readyWanted } from './pool-plan.ts';
import { keyOfShape, type Shape, shapeOf } from './shape.ts';
import { type DeclaredTarget, makeTargets } from './targets.ts';
import { isTemplateBuilding } from './templates.ts';

const reviewMs = 2_000;
const drainMs = 30_000;
/** How long to wait for what is declared before waiting machines that nothing wants are destroyed. */
const adoptMs = 30_000;
/** Lets the answer of a run go out before its machine is destroyed, and changes gather. */
const settleMs = 5;
/** A run that waits for room asks for it again sooner than this. */
const refusedMs = 10_000;
const noNode = 'NoNode';

export interface PoolView extends Shape {
  waiting: number;
  making: number;
  wanted: number;
}

/** How the pool stands with one shape. */
export interface Standing {
  waiting: number;
  making: number;
  /** Why more is wanted and not being made; undefined: nothing is missing. */
  deferral: Deferral | undefined;
  /** Why the last attempt failed, until one succeeds. */
  failure: { reason: string; message: string } | undefined;
}

export interface Pool {
  /** A machine that waits, or else one that is being made for that, now live; undefined when there is neither. */
  claim(shape: Shape): PlacedMachine | undefined;
  /** Begins to make a live machine for one run. Throws invalid_argument, resource_exhausted or unavailable. */
  make(shape: Shape): Promise<PlacedMachine>;
  /** Whether making another such machine now leaves a processor to each that is being made, and to their template. */
  mayMake(shape: Shape): boolean;
  /** Whether a machine of this pool exists whose end will give room. */
  hasMachines(): boolean;
  /** A run asks for such a machine. */
  noteAsked(shape: Shape): void;
  /** A run began on such a machine: one will wait for a while. */
  noteUse(shape: Shape): void;
  /** The run is over: the machine will be destroyed. */
  spend(uid: string): void;
  /** Gives the room of waiting machines to a declared one, if that is enough for it. */
  yieldRoom(demand: Demand): void;
  /** `id` wants these to wait; undefined: nothing any more. */
  declare(id: string, target: DeclaredTarget | undefined): void;
  /** All that is declared was told: what waits beyond it need not be kept. */
  declaredAll(): void;
  standing(shape: Shape): Standing;
  /** How many such machines wait that other replicas have made. */
  waitingElsewhere(shape: Shape): number;
  /** What this replica would make if a node had room for it. */
  wanting(): Demand[];
  view(): PoolView[];
  /** Calls the listener when a machine was made, failed, or is gone; returns the way to stop. */
  subscribe(listener: () => void): () => void;
  /** How many things are remembered, for a test that nothing grows. */
  readonly size: number;
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
  readCredentials: ReadCredentials;
  /** False: what was used does not wait to be used again. */
  keepUsed?: boolean;
}

interface Failure {
  count: number;
  atMs: number;
  reason: string;
  message: string;
}

/** A network costs more to make than it would save. */
const mayWait = ({ network }: Shape) => network === undefined;

export function makePool(deps: PoolDeps): Pool {
  const { fleet, clock, log, replica } = deps;
  const inventory = makeInventory({ fleet, clock, replica });
  const maker = makeMaker({ fleet, inventory, log, replica, readCredentials: deps.readCredentials });
  const targets = makeTargets(deps.warm, deps.keepUsed);
  const failures = new Map<string, Failure>();
  const listeners = new Set<() => void>();
  /** Runs that found no room lately. */
  const refused = new Map<string, { shape: Shape; atMs: number }>();
  let deferred: ReadonlyMap<string, Deferral> = new Map();
  let drainUntilMs = 0;
  let adoptUntilMs = clock.now() + adoptMs;
  let reviewSoon = () => {};

  function tell(): void {
    for (const listener of listeners) listener();
  }

  function processors(): number {
    const cpus = fleet.nodes().map(({ reachable, info }) => (reachable ? (info?.cpus ?? 0) : 0));
    return Math.max(
      2,
      cpus.reduce((sum, each) => sum + each, 0),
    );
  }

  async function refill(shape: Shape): Promise<void> {
    try {
      await maker.make(shape, 'pool');
    } catch (thrown) {
      const error = TvmError.from(thrown);
      noteFailure(shape, error.reason ?? error.code, error.message);
      log.warn({ why: error.message, ...shape }, 'no machine for the pool');
    }
  }

  function noteFailure(shape: Shape, reason: string, message: string): void {
    const key = keyOfShape(shape);
    // A full node is not a failure of the shape: it is looked at again soon.
    const count = reason === noRoom ? 1 : (failures.get(key)?.count ?? 0) + 1;
    failures.set(key, { count, atMs: clock.now(), reason, message });
    tell();
  }

  function review(): void {
    const nowMs = clock.now();
    const wanted = targets.list(nowMs);
    const keys = new Set(wanted.map(({ shape }) => keyOfShape(shape)));
    for (const key of [...failures.keys()]) if (!keys.has(key)) failures.delete(key);
    const nodes = observeNodes(fleet).filter((node) => node.reachable);
    if (nodes.length === 0) return;
    const reachable = new Map(nodes.map((node) => [node.name, node]));
    const machines = inventory.machines().filter(({ node }) => reachable.has(node));
    const isLeaving = ({ node }: PoolMachine) => reachable.get(node)?.draining === true;
    // What waits on a node that is about to end is no longer counted on.
    for (const machine of machines.filter(isLeaving)) if (machine.held !== 'live') void maker.destroy(machine);
    const plan = planPool({
      machines: machines.filter((machine) => !isLeaving(machine)),
      busy: inventory.busy(),
      targets: wanted,
      failures,
      roomMiB: Math.max(0, ...nodes.filter(takesMachines).map((node) => node.memoryFreeMiB)),
      drainUntilMs,
      holdUntilMs: inventory.holdUntilMs(),
      adopting: nowMs < adoptUntilMs,
      nowMs,
    });
    deferred = plan.deferred;
    for (const machine of plan.destroy) void maker.destroy(machine);
    for (const shape of plan.create) void refill(shape);
  }

  function onMachine(uid: string, machine: Machine | undefined): void {
    const tookMs = inventory.note(uid, machine);
    if (machine && machine.labels.owner === 'pool' && machine.labels.replica === replica)
      onPoolMachine(machine, tookMs);
    // Only these give a run that waits its turn, its room or its machine.
    if (!machine || tookMs !== undefined) tell();
    reviewSoon();
  }

  function onPoolMachine(machine: Machine, tookMs: number | undefined): void {
    const shape = shapeOf(machine);
    if (tookMs !== undefined) {
      targets.noteMade(shape, tookMs);
      failures.delete(keyOfShape(shape));
    } else if (machine.state === MachineState.FAILED) {
      const { uid, reason, message } = machine;
      const known = inventory.machines().find((each) => each.uid === uid);
      if (!known || known.held !== undefined || known.used) return;
      log.warn({ machine: uid, reason, message }, 'a machine of the pool failed');
      noteFailure(shape, reason, message);
    }
  }

  async function run(signal: AbortSignal): Promise<void> {
    const stop = fleet.subscribe((event) =>
      event.type === 'machine' ? onMachine(event.uid, event.machine) : reviewSoon(),
    );
    while (!signal.aborted) {
      review();
      const woken = new AbortController();
      reviewSoon = () => woken.abort();
      const heldMs = inventory.holdUntilMs() - clock.now();
      await clock.sleep(heldMs > 0 ? heldMs : reviewMs, AbortSignal.any([signal, woken.signal]));
      await clock.sleep(settleMs, signal);
    }
    stop();
  }

  async function make(shape: Shape): Promise<PlacedMachine> {
    try {
      return await maker.make(shape, 'execute');
    } catch (error) {
      const { reason } = TvmError.from(error);
      if (reason === noRoom || reason === noNode) refused.set(keyOfShape(shape), { shape, atMs: clock.now() });
      throw error;
    }
  }

  function wanting(): Demand[] {
    const nowMs = clock.now();
    for (const [key, { atMs }] of refused) if (nowMs - atMs > refusedMs) refused.delete(key);
    const hasNode = fleet.nodes().some(({ reachable }) => reachable);
    const short = targets.list(nowMs).flatMap(({ shape, minReady, firm }) => {
      const { waiting, making, deferral } = standing(shape);
      const lacks = firm && (!hasNode || deferral === 'room');
      return lacks ? Array.from({ length: Math.max(0, minReady - waiting - making) }, () => shape) : [];
    });
    return [...[...refused.values()].map(({ shape }) => shape), ...short];
  }

  function standing(shape: Shape): Standing {
    const key = keyOfShape(shape);
    const same = inventory.machines().filter((each) => keyOfShape(each.shape) === key);
    const failure = failures.get(key);
    return {
      waiting: same.filter(isWaiting).length,
      making: same.filter((each) => each.state === 'making' && isUnclaimed(each)).length,
      deferral: deferred.get(key),
      failure: failure && { reason: failure.reason, message: failure.message },
    };
  }

  return {
    claim: inventory.claim,
    make,
    mayMake: (shape) => inventory.busy() < (isTemplateBuilding(shape, fleet.nodes()) ? 1 : processors()),
    hasMachines: () => inventory.machines().length > 0,
    noteAsked(shape) {
      if (mayWait(shape)) targets.noteAsked(shape, clock.now());
    },
    noteUse(shape) {
      if (mayWait(shape) && !shape.pullSecrets) targets.noteUsed(shape, clock.now());
    },
    spend(uid) {
      inventory.spend(uid);
      reviewSoon();
    },
    yieldRoom(demand) {
      if (makeRoom(demand, observeNodes(fleet), inventory.machines().filter(isWaiting)).length === 0) return;
      drainUntilMs = clock.now() + drainMs;
      reviewSoon();
    },
    declare(id, target) {
      targets.declare(id, target);
      reviewSoon();
    },
    declaredAll() {
      adoptUntilMs = 0;
      reviewSoon();
    },
    standing,
    waitingElsewhere: inventory.waitingElsewhere,
    wanting,
    view: () =>
      targets.list(clock.now()).map((target) => {
        const { waiting, making } = standing(target.shape);
        return { ...target.shape, waiting, making, wanted: readyWanted(target) };
      }),
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    get size() {
      return inventory.size + targets.size + failures.size + refused.size;
    },
    run,
  };
}
