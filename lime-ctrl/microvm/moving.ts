// When a machine must leave its node, or has lost it: a pure function. Its memory is not taken along: it ends with a reason, and
// a MicroVM that should run is started anew on another node.
//
//   node is about to end ──▶ machine stopped and destroyed (NodeDrained) ──▶ placed anew
//   node has ended ──▶ machine lost (NodeGone) ──▶ placed anew
//   with disks: stopped, and waits for the node that has them
import type { MicroVm } from '@tvm/api/kinds/microvm.ts';
import type { ObservedNode } from '../placement/place.ts';
import { hasDisks } from './disks.ts';
import type { Action, ObservedMachine } from './world.ts';

export interface Move {
  reason: 'NodeDrained' | 'NodeGone';
  /** That it leaves. */
  node: string;
}

/** Why a MicroVM has no machine where its status says; undefined: none of this. */
export function moveFrom(host: string | undefined, nodes: readonly ObservedNode[]): Move | undefined {
  if (host === undefined) return undefined;
  const node = nodes.find(({ name }) => name === host);
  if (!node) return { reason: 'NodeGone', node: host };
  return node.draining ? { reason: 'NodeDrained', node: host } : undefined;
}

/** What takes the machine off a node that is about to end; undefined: it has nothing to lose there. */
export function evictionOf(vm: MicroVm, machine: ObservedMachine): Action[] | undefined {
  const { node, uid, state } = machine;
  if (state === 'Destroying' || hasFinished(vm, machine)) return undefined;
  if (hasDisks(vm)) return isDown(machine) ? undefined : [{ type: 'stopMachine', node }];
  const destroy: Action = { type: 'destroyMachine', node, uid };
  return state === 'Running' ? [{ type: 'stopMachine', node }, destroy] : [destroy];
}

/** It is not to run again: its command has ended, or it should be stopped and is. */
function hasFinished({ spec }: MicroVm, { state, reason }: ObservedMachine): boolean {
  if (state !== 'Stopped' && state !== 'Failed') return false;
  return spec.desiredState === 'Stopped' || reason === 'CommandExited';
}

/** Its command had ended before its node did: it is not run twice. */
export function hadFinished({ status }: MicroVm): boolean {
  return status?.phase === 'Stopped' && status.reason === 'CommandExited';
}

export function wordsOf({ reason, node }: Move): string {
  return reason === 'NodeGone'
    ? `node ${node} has ended, and the machine with it`
    : `node ${node} is being drained: the machine ends, and is started anew on another node`;
}

export function isDown({ state }: ObservedMachine): boolean {
  return state === 'Stopped' || state === 'Failed';
}
