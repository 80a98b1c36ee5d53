// The flintlocks and what is known of their machines, kept current by WatchMachines. Nodes come and go while it runs.
// Invariants: a node is reachable only while its watch is live and complete, so "the machine is not there" can be trusted of
// a reachable node alone; a node that is not in the fleet, once all are known, has ended, and its machines with it.

import { TvmError } from '@tvm/api/errors.ts';
import { type Machine, MachineEventKind, type Node } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import { backoffMs } from '@tvm/kit/backoff.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import type { Logger } from '@tvm/kit/log.ts';
import type { FlintlockClient } from './client.ts';
import { makeMachineIndex, type PlacedMachine } from './machine-index.ts';

export type { PlacedMachine };

const pollMs = 5_000;
const callDeadlineMs = 5_000;
const backoff = { baseMs: 200, maxMs: 5_000 };
/** A node that stays away is told of now and then. */
const saidEvery = 20;

/** What a node may not be given. */
export interface NodeStanding {
  /** It gets nothing new. */
  cordoned: boolean;
  /** It is about to end: what it has must go. */
  draining: boolean;
}

export interface NodeView extends NodeStanding {
  name: string;
  reachable: boolean;
  /** Since when it has been reachable, or has not. */
  sinceMs: number;
  /** As last told; undefined before the first answer. */
  info: Node | undefined;
}

/** A machine as it is now, or undefined when it is gone; or a node that changed, came or went. */
export type FleetEvent =
  | { type: 'machine'; node: string; uid: string; machine: Machine | undefined; previous: Machine | undefined }
  | { type: 'node'; node: string; reachable: boolean };

export interface Fleet {
  nodes(): NodeView[];
  /** Throws not_found for a node that is not in the fleet. */
  client(node: string): FlintlockClient;
  /** The machine on the preferred node, else wherever it is. */
  machine(uid: string, preferred?: string): PlacedMachine | undefined;
  machines(): PlacedMachine[];
  machinesOn(node: string): Machine[];
  /** Machines made for the MicroVM of this key. */
  machinesFor(key: string): PlacedMachine[];
  /** How many machines the node has; of those made in a namespace, when one is given. */
  countOn(node: string, namespace?: string): number;
  /** What machines may use of the node beside those that are there, MB; 0 before its first answer. */
  memoryFreeMiB(node: string): number;
  /** Asks the nodes that are reachable what they tell of themselves now: images, templates, whether they drain. */
  refresh(): Promise<void>;
  /** Takes what a call answered as the machine's state, unless something newer is known. */
  learn(node: string, machine: Machine): void;
  /** Takes note that the node has destroyed a machine. */
  forget(node: string, uid: string): void;
  subscribe(listener: (event: FleetEvent) => void): () => void;
  /** Adds a node, or gives one another client: what is known of its machines stays until the new one has told its own. */
  join(name: string, client: FlintlockClient, close?: () => void): void;
  /** The node has ended, and its machines are lost. */
  leave(name: string): void;
  mark(name: string, standing: NodeStanding): void;
  /** Whether all nodes have joined. */
  readonly known: boolean;
  /** Says that all nodes have joined. */
  declareKnown(): void;
  whenKnown: Promise<void>;
  /** Watches all nodes until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
}

interface NodeState {
  client: FlintlockClient;
  close: () => void;
  view: NodeView;
  stop: AbortController;
}

export interface FleetDeps {
  clock: Clock;
  log: Logger;
  /** More nodes will join before all are known. */
  discovered?: boolean;
}

export function makeFleet(clients: ReadonlyMap<string, FlintlockClient>, deps: FleetDeps): Fleet {
  const { clock, log, discovered = false } = deps;
  const listeners = new Set<(event: FleetEvent) => void>();
  const index = makeMachineIndex();
  const nodes = new Map<string, NodeState>();
  const allKnown = Promise.withResolvers<void>();
  const watches = new Set<Promise<void>>();
  let known = false;
  let running: AbortSignal | undefined;

  const emit = (event: FleetEvent) => {
    for (const listener of listeners) listener(event);
  };

  function setMachine(node: string, uid: string, machine: Machine | undefined): void {
    const previous = index.get(node, uid);
    if (machine && previous && previous.revision >= machine.revision) return;
    if (!machine && !previous) return;
    if (machine) index.set(node, machine);
    else index.delete(node, uid);
    emit({ type: 'machine', node, uid, machine, previous });
  }

  function setReachable(state: NodeState, reachable: boolean): void {
    const { view } = state;
    if (view.reachable === reachable) return;
    state.view = { ...view, reachable, sinceMs: clock.now() };
    log.info({ node: view.name, reachable }, 'node');
    emit({ type: 'node', node: view.name, reachable });
  }

  async function refreshNode(state: NodeState): Promise<void> {
    const info = await state.client.getNode({}, { timeoutMs: callDeadlineMs });
    const changed = info.draining && !state.view.info?.draining;
    state.view = { ...state.view, info };
    if (changed) emit({ type: 'node', node: state.view.name, reachable: state.view.reachable });
  }

  async function follow(state: NodeState, signal: AbortSignal): Promise<void> {
    const { name } = state.view;
    const seen = new Set<string>();
    let complete = false;
    for await (const event of state.client.watchMachines({}, { signal })) {
      if (signal.aborted) return;
      const { machine } = event;
      if (event.kind === MachineEventKind.SYNCED) {
        for (const { uid } of index.on(name)) if (!seen.has(uid)) setMachine(name, uid, undefined);
        await refreshNode(state);
        complete = true;
        if (!signal.aborted) setReachable(state, true);
      } else if (machine && event.kind === MachineEventKind.REMOVED) setMachine(name, machine.uid, undefined);
      else if (machine) {
        // A flintlock that lost its state counts revisions anew.
        if (!complete && !seen.has(machine.uid)) index.delete(name, machine.uid);
        seen.add(machine.uid);
        setMachine(name, machine.uid, machine);
      }
    }
  }

  async function watchNode(state: NodeState, signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      try {
        await follow(state, signal);
        throw new TvmError('unavailable', 'the watch ended');
      } catch (error) {
        if (signal.aborted) return;
        failures = state.view.reachable ? 1 : failures + 1;
        setReachable(state, false);
        const said = { why: TvmError.from(error).message, node: state.view.name, failures };
        if (failures % saidEvery === 1) log.warn(said, 'watch of a node broke');
        else log.debug(said, 'watch of a node broke');
        await clock.sleep(backoffMs(backoff, failures), signal);
      }
    }
  }

  function beginWatch(state: NodeState): void {
    if (!running || running.aborted) return;
    const watch = watchNode(state, AbortSignal.any([running, state.stop.signal]));
    watches.add(watch);
    void watch.finally(() => watches.delete(watch));
  }

  function join(name: string, client: FlintlockClient, close = () => {}): void {
    const before = nodes.get(name);
    const standing = { cordoned: before?.view.cordoned ?? false, draining: before?.view.draining ?? false };
    const view = { name, reachable: false, sinceMs: clock.now(), info: before?.view.info, ...standing };
    const state: NodeState = { client, close, view, stop: new AbortController() };
    nodes.set(name, state);
    before?.stop.abort('another address');
    before?.close();
    if (before?.view.reachable) emit({ type: 'node', node: name, reachable: false });
    beginWatch(state);
  }

  function leave(name: string): void {
    const state = nodes.get(name);
    if (!state) return;
    nodes.delete(name);
    state.stop.abort('it left');
    state.close();
    log.info({ node: name, machines: index.count(name) }, 'a node has ended');
    for (const { uid } of index.on(name)) setMachine(name, uid, undefined);
    emit({ type: 'node', node: name, reachable: false });
  }

  function mark(name: string, { cordoned, draining }: NodeStanding): void {
    const state = nodes.get(name);
    if (!state || (state.view.cordoned === cordoned && state.view.draining === draining)) return;
    state.view = { ...state.view, cordoned, draining };
    log.info({ node: name, cordoned, draining }, 'node');
    emit({ type: 'node', node: name, reachable: state.view.reachable });
  }

  async function refreshIfReachable(state: NodeState): Promise<void> {
    if (!state.view.reachable) return;
    try {
      await refreshNode(state);
    } catch (error) {
      log.warn({ why: TvmError.from(error).message, node: state.view.name }, 'no node facts');
    }
  }

  async function refresh(): Promise<void> {
    await Promise.all([...nodes.values()].map(refreshIfReachable));
  }

  /** One after another, so that many nodes are no burst. */
  async function poll(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const round = [...nodes.values()];
      if (round.length === 0) await clock.sleep(pollMs, signal);
      for (const state of round) {
        await clock.sleep(pollMs / round.length, signal);
        if (signal.aborted) return;
        void refreshIfReachable(state);
      }
    }
  }

  function declareKnown(): void {
    known = true;
    allKnown.resolve();
  }

  for (const [name, client] of clients) join(name, client);
  if (!discovered) declareKnown();

  return {
    nodes: () => [...nodes.values()].map(({ view }) => ({ ...view, draining: view.draining || !!view.info?.draining })),
    client(node) {
      const state = nodes.get(node);
      if (state) return state.client;
      throw new TvmError('not_found', `node ${node} is not there`, { object: `node/${node}`, reason: 'NodeGone' });
    },
    machine: index.find,
    machines: index.all,
    machinesOn: index.on,
    machinesFor: index.madeFor,
    countOn: index.count,
    refresh,
    memoryFreeMiB: (node) => Math.max(0, Number(nodes.get(node)?.view.info?.memoryMib ?? 0n) - index.promisedMiB(node)),
    learn(node, machine) {
      if (nodes.has(node)) setMachine(node, machine.uid, machine);
    },
    forget: (node, uid) => setMachine(node, uid, undefined),
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    join,
    leave,
    mark,
    get known() {
      return known;
    },
    declareKnown,
    whenKnown: allKnown.promise,
    run: async (signal) => {
      running = signal;
      for (const state of nodes.values()) beginWatch(state);
      await poll(signal);
      await Promise.all(watches);
    },
  };
}
