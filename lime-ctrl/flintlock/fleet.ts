// The flintlocks and what is known of their machines, kept current by WatchMachines. Invariant: a node is reachable only
// while its watch is live and complete, so "the machine is not there" can be trusted of a reachable node alone.

import { TvmError } from '@tvm/api/errors.ts';
import { type Machine, MachineEventKind, type Node } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import { backoffMs } from '@tvm/kit/backoff.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import type { Logger } from '@tvm/kit/log.ts';
import type { FlintlockClient } from './client.ts';

const pollMs = 5_000;
const callDeadlineMs = 5_000;
const backoff = { baseMs: 200, maxMs: 5_000 };

export interface NodeView {
  name: string;
  reachable: boolean;
  /** Since when it has been reachable, or has not. */
  sinceMs: number;
  /** As last told; undefined before the first answer. */
  info: Node | undefined;
}

export interface PlacedMachine {
  node: string;
  machine: Machine;
}

/** A machine as it is now, or undefined when it is gone; or a node whose reachability changed. */
export type FleetEvent =
  | { type: 'machine'; node: string; uid: string; machine: Machine | undefined; previous: Machine | undefined }
  | { type: 'node'; node: string; reachable: boolean };

export interface Fleet {
  nodes(): NodeView[];
  /** Throws not_found for a name that is not configured. */
  client(node: string): FlintlockClient;
  machine(uid: string): PlacedMachine | undefined;
  machines(): PlacedMachine[];
  /** Asks the nodes that are reachable for their free room now. */
  refresh(): Promise<void>;
  /** Takes what a call answered as the machine's state, unless something newer is known. */
  learn(node: string, machine: Machine): void;
  subscribe(listener: (event: FleetEvent) => void): () => void;
  /** Watches all nodes until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
}

interface NodeState {
  client: FlintlockClient;
  view: NodeView;
  machines: Map<string, Machine>;
}

export function makeFleet(
  clients: ReadonlyMap<string, FlintlockClient>,
  { clock, log }: { clock: Clock; log: Logger },
): Fleet {
  const listeners = new Set<(event: FleetEvent) => void>();
  const nodes = new Map<string, NodeState>(
    [...clients].map(([name, client]) => [
      name,
      { client, view: { name, reachable: false, sinceMs: clock.now(), info: undefined }, machines: new Map() },
    ]),
  );

  const emit = (event: FleetEvent) => {
    for (const listener of listeners) listener(event);
  };

  function setMachine(state: NodeState, uid: string, machine: Machine | undefined): void {
    const previous = state.machines.get(uid);
    if (machine && previous && previous.revision >= machine.revision) return;
    if (!machine && !previous) return;
    if (machine) state.machines.set(uid, machine);
    else state.machines.delete(uid);
    emit({ type: 'machine', node: state.view.name, uid, machine, previous });
  }

  function setReachable(state: NodeState, reachable: boolean): void {
    if (state.view.reachable === reachable) return;
    state.view = { ...state.view, reachable, sinceMs: clock.now() };
    log.info({ node: state.view.name, reachable }, 'node');
    emit({ type: 'node', node: state.view.name, reachable });
  }

  async function refreshNode(state: NodeState): Promise<void> {
    const info = await state.client.getNode({}, { timeoutMs: callDeadlineMs });
    state.view = { ...state.view, info };
  }

  async function follow(state: NodeState, signal: AbortSignal): Promise<void> {
    const seen = new Set<string>();
    let complete = false;
    for await (const event of state.client.watchMachines({}, { signal })) {
      const { machine } = event;
      if (event.kind === MachineEventKind.SYNCED) {
        for (const uid of [...state.machines.keys()]) if (!seen.has(uid)) setMachine(state, uid, undefined);
        await refreshNode(state);
        complete = true;
        setReachable(state, true);
      } else if (machine && event.kind === MachineEventKind.REMOVED) setMachine(state, machine.uid, undefined);
      else if (machine) {
        // A flintlock that lost its state counts revisions anew.
        if (!complete && !seen.has(machine.uid)) state.machines.delete(machine.uid);
        seen.add(machine.uid);
        setMachine(state, machine.uid, machine);
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
        log.warn({ why: TvmError.from(error).message, node: state.view.name }, 'watch of a node broke');
        await clock.sleep(backoffMs(backoff, failures), signal);
      }
    }
  }

  async function refresh(): Promise<void> {
    const reachable = [...nodes.values()].filter((state) => state.view.reachable);
    const results = await Promise.allSettled(reachable.map(refreshNode));
    for (const [index, result] of results.entries()) {
      if (result.status === 'fulfilled') continue;
      log.warn({ why: TvmError.from(result.reason).message, node: reachable[index]?.view.name }, 'no node facts');
    }
  }

  async function poll(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await clock.sleep(pollMs, signal);
      if (!signal.aborted) await refresh();
    }
  }

  return {
    nodes: () => [...nodes.values()].map((state) => state.view),
    client(node) {
      const state = nodes.get(node);
      if (state) return state.client;
      throw new TvmError('not_found', `node ${node} is not configured`, { object: `node/${node}`, reason: 'NodeGone' });
    },
    machine(uid) {
      for (const [node, state] of nodes) {
        const machine = state.machines.get(uid);
        if (machine) return { node, machine };
      }
      return undefined;
    },
    machines: () =>
      [...nodes].flatMap(([node, state]) => [...state.machines.values()].map((machine) => ({ node, machine }))),
    refresh,
    learn(node, machine) {
      const state = nodes.get(node);
      if (state) setMachine(state, machine.uid, machine);
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    run: async (signal) => {
      await Promise.all([...[...nodes.values()].map((state) => watchNode(state, signal)), poll(signal)]);
    },
  };
}
