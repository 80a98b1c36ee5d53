// From (MicroVM, machine, nodes, now) to actions and status. Pure, never throws; no actions means that the world matches.
//
//               no room / no node / no Secret / no quota
//   (new) ──▶ Pending ──assign, create──▶ Creating ──▶ Running ◀──resume── Paused
//                ▲                          ▲  │        │   └────pause────▶┘
//                └── room, node, Secret     │  ▼        ▼ VMM died
//                                  start ── Failed ◀────┘           desiredState Stopped, or command ended
//                            (after backoff)            Running, Paused ─────────────────────▶ Stopped
//   Running ──idle──▶ Paused (reason Idle) ──used──▶ Running; or Stopped, or deleted, as onIdle says
//   any ──node ends──▶ Pending (NodeDrained, NodeGone) ──assign another, create──▶ Creating
//   any ──deleted──▶ Terminating ──machine destroyed, or its node gone for good──▶ (no object)
import { type MicroVm, machineFinalizer } from '@tvm/api/kinds/microvm.ts';
import { backoffMs } from '@tvm/kit/backoff.ts';
import { type ObservedNode, place } from '../placement/place.ts';
import { quotaExceeded } from '../quota/quota.ts';
import { diskPlaces, hasDisks, smallerDisks } from './disks.ts';
import { eventsBetween } from './events.ts';
import { idleLeftMs } from './idleness.ts';
import { evictionOf, hadFinished, isDown, type Move, moveFrom } from './moving.ts';
import { type Situation, statusOf } from './status.ts';
import type { Action, Observed, ObservedMachine, Plan } from './world.ts';

/** How long a node may be away before a deleted MicroVM no longer waits for it. */
export const nodeGoneGraceMs = 300_000;
const restartBackoff = { baseMs: 2_000, maxMs: 300_000 };
const secretPollMs = 5_000;
const placementPollMs = 10_000;

/** What to do now, and how the object stands if nothing else changes. */
interface Step {
  actions: Action[];
  situation: Situation;
  requeueAfterMs?: number;
}

export function planMicroVm(observed: Observed): Plan {
  const { vm, strays } = observed;
  const destroyStrays = strays.map(({ node, uid }): Action => ({ type: 'destroyMachine', node, uid }));
  if (!vm) return { actions: destroyStrays, status: undefined, events: [], requeueAfterMs: undefined };
  const step = vm.metadata.deletionTimestamp ? stepDown(vm, observed) : stepUp(vm, observed);
  const status = statusOf(vm, observed.machine, step.situation, observed.nowMs);
  return {
    actions: [...destroyStrays, ...step.actions],
    status,
    events: eventsBetween(vm, status, step.situation, observed.machine),
    requeueAfterMs: earliest(step.requeueAfterMs, ttlLeftMs(vm, observed.nowMs)),
  };
}

function stepDown(vm: MicroVm, observed: Observed): Step {
  if (!vm.metadata.finalizers?.includes(machineFinalizer)) return { actions: [], situation: { type: 'terminating' } };
  const { machine, nodes, nowMs } = observed;
  const hostName = machine?.node ?? vm.status?.host;
  const host = nodes.find((node) => node.name === hostName);
  if (hostName === undefined || (host?.reachable && !machine)) {
    return { actions: [{ type: 'removeFinalizer' }], situation: { type: 'destroyed' } };
  }
  if (host?.reachable && machine) {
    const destroy: Action = { type: 'destroyMachine', node: machine.node, uid: machine.uid };
    return { actions: [destroy], situation: { type: 'terminating' }, requeueAfterMs: placementPollMs };
  }
  if (!host) return { actions: [{ type: 'removeFinalizer' }], situation: { type: 'gone', node: hostName } };
  const awayMs = nowMs - host.sinceMs;
  const deletedMs = nowMs - Date.parse(vm.metadata.deletionTimestamp ?? '');
  const leftMs = nodeGoneGraceMs - Math.min(awayMs, deletedMs);
  if (leftMs > 0) {
    return { actions: [], situation: { type: 'nodeAway', node: hostName, deleting: true }, requeueAfterMs: leftMs };
  }
  return { actions: [{ type: 'removeFinalizer' }], situation: { type: 'abandoned', node: hostName } };
}

function stepUp(vm: MicroVm, observed: Observed): Step {
  if (ttlLeftMs(vm, observed.nowMs) === 0) {
    return { actions: [{ type: 'deleteObject' }], situation: { type: 'expired' } };
  }
  if (!vm.metadata.finalizers?.includes(machineFinalizer)) {
    const step = withFinalizer(vm, observed);
    return { ...step, actions: [{ type: 'addFinalizer' }, ...step.actions] };
  }
  return withFinalizer(vm, observed);
}

function withFinalizer(vm: MicroVm, observed: Observed): Step {
  const { machine, nodes } = observed;
  const hostName = machine?.node ?? vm.status?.host;
  const host = nodes.find((node) => node.name === hostName);
  if (host && !host.reachable) {
    return { actions: [], situation: { type: 'nodeAway', node: host.name, deleting: false } };
  }
  const step = machine ? converge(vm, machine, observed) : bringUp(vm, observed);
  return observed.overQuota !== undefined && startsMachine(step) ? notWithinQuota(observed.overQuota) : step;
}

/** Whether a machine is to begin: that is what quotas are about. */
export function startsMachine({ actions }: { actions: Action[] }): boolean {
  return actions.some(({ type }) => type === 'createMachine' || type === 'startMachine');
}

function notWithinQuota(message: string): Step {
  const situation: Situation = { type: 'unplaced', reason: quotaExceeded, message };
  return { actions: [], situation, requeueAfterMs: placementPollMs };
}

function bringUp(vm: MicroVm, { nodes, missingSecrets, from }: Observed): Step {
  const host = vm.status?.host;
  const move = moveFrom(host, nodes);
  if (move && hadFinished(vm)) return { actions: [], situation: { type: 'finished' } };
  if (vm.spec.desiredState === 'Stopped') return { actions: [], situation: { type: 'neverStarted' } };
  if (missingSecrets.length > 0) {
    return { actions: [], situation: { type: 'noSecret', names: missingSecrets }, requeueAfterMs: secretPollMs };
  }
  if (from.type === 'blocked') {
    const { reason, message } = from;
    return { actions: [], situation: { type: 'unplaced', reason, message }, requeueAfterMs: placementPollMs };
  }
  const places = diskPlaces(vm, nodes);
  if (!places.nodes) {
    const situation: Situation = { type: 'unplaced', reason: 'DisksAway', message: places.message };
    return { actions: [], situation, requeueAfterMs: placementPollMs };
  }
  const usable = usableNodes(vm, from, places.nodes);
  const placement = place(vm.spec, usable, host);
  if (placement.node === undefined) {
    const { reason, message } = usable.length === 0 && from.type === 'snapshot' ? filesAway(from.hosts) : placement;
    return { actions: [], situation: { type: 'unplaced', reason, message, move }, requeueAfterMs: placementPollMs };
  }
  const { node } = placement;
  const assign: Action[] = node === host ? [] : [{ type: 'assignHost', node }];
  const lost = lossOf(vm, move);
  const create: Action = { type: 'createMachine', node, snapshot: from.type === 'snapshot' ? from.nameOnNode : '' };
  return { actions: [...assign, create], situation: { type: 'making', node, lost } };
}

/** Of a machine with disks only the first start continues a snapshot. */
function usableNodes(vm: MicroVm, from: Observed['from'], nodes: readonly ObservedNode[]): readonly ObservedNode[] {
  const isFirst = !hasDisks(vm) || vm.status?.startedAt === undefined;
  return from.type === 'snapshot' && isFirst ? nodes.filter(({ name }) => from.hosts.includes(name)) : nodes;
}

function filesAway(hosts: string[]): { reason: string; message: string } {
  return {
    reason: 'NoNode',
    message: `the files of its snapshot are on ${hosts.join(', ') || 'no node'}, which is not there`,
  };
}

/** Of a machine that was up once and is not there: told once. */
function lossOf({ status }: MicroVm, move: Move | undefined): (Situation & { type: 'making' })['lost'] {
  if (move) return move.reason;
  const isTold = status?.reason === 'NodeGone' || status?.reason === 'NodeDrained';
  return status?.startedAt !== undefined && !isTold ? 'MachineLost' : undefined;
}

function converge(vm: MicroVm, machine: ObservedMachine, observed: Observed): Step {
  const { node } = machine;
  const move = moveFrom(node, observed.nodes);
  const eviction = move && evictionOf(vm, machine);
  if (move && eviction) {
    return { actions: eviction, situation: hasDisks(vm) ? { type: 'machine' } : { type: 'moving', move } };
  }
  if (move && hasDisks(vm) && isDown(machine)) {
    return { actions: [], situation: { type: 'machine' }, requeueAfterMs: placementPollMs };
  }
  const steady: Step = { actions: [], situation: { type: 'machine' } };
  const wanted = vm.spec.desiredState ?? 'Running';
  switch (machine.state) {
    case 'Destroying':
      return steady;
    case 'Creating':
      return wanted === 'Stopped' ? { ...steady, actions: [{ type: 'stopMachine', node }] } : steady;
    case 'Running':
      if (wanted === 'Paused') return { ...steady, actions: [{ type: 'pauseMachine', node }] };
      return wanted === 'Stopped'
        ? { ...steady, actions: [{ type: 'stopMachine', node }] }
        : withGrowth(vm, machine, unlessIdle(vm, machine, observed));
    case 'Paused':
      if (wanted === 'Running') return unlessIdle(vm, machine, observed);
      return wanted === 'Stopped' ? { ...steady, actions: [{ type: 'stopMachine', node }] } : steady;
    default:
      return wanted === 'Stopped' ? { ...steady, situation: { type: 'stopped' } } : startAgain(vm, machine, observed);
  }
}

/** A machine that should run, and runs or is paused: it may rest while nobody uses it. */
function unlessIdle(vm: MicroVm, { state, node }: ObservedMachine, observed: Observed): Step {
  const { machine, nowMs } = observed;
  const leftMs = machine && idleLeftMs(vm, machine, nowMs);
  const steady: Step = { actions: [], situation: { type: 'machine' } };
  if (leftMs !== 0) {
    const resume: Action[] = state === 'Paused' ? [{ type: 'resumeMachine', node }] : [];
    return { ...steady, actions: resume, ...(leftMs !== undefined && { requeueAfterMs: leftMs }) };
  }
  switch (vm.spec.onIdle) {
    case 'Stop':
      return { actions: [{ type: 'declareStopped' }], situation: { type: 'idle', outcome: 'stopped' } };
    case 'Delete':
      return { actions: [{ type: 'deleteObject' }], situation: { type: 'idle', outcome: 'deleted' } };
    default:
      if (state === 'Paused') return { actions: [], situation: { type: 'idle', outcome: 'paused' } };
      return { ...steady, actions: [{ type: 'pauseMachine', node }] };
  }
}

/** Last of all: a growth that its node refuses holds nothing else up. */
function withGrowth(vm: MicroVm, machine: ObservedMachine, step: Step): Step {
  if (step.actions.length > 0 || smallerDisks(vm, machine).length === 0) return step;
  return { ...step, actions: [{ type: 'growDisks', node: machine.node }] };
}

function startAgain(vm: MicroVm, machine: ObservedMachine, observed: Observed): Step {
  const { failures, nowMs, missingSecrets } = observed;
  const stoppedOnRequest = machine.reason === 'Requested' || vm.status?.reason === 'Requested';
  if (machine.state === 'Stopped' && machine.reason === 'CommandExited' && !stoppedOnRequest) {
    return { actions: [], situation: { type: 'machine' } };
  }
  if (missingSecrets.length > 0) {
    return { actions: [], situation: { type: 'noSecret', names: missingSecrets }, requeueAfterMs: secretPollMs };
  }
  const start: Action = { type: 'startMachine', node: machine.node };
  if (machine.state === 'Stopped' && stoppedOnRequest) return { actions: [start], situation: { type: 'starting' } };
  const waitMs = failures.atMs + backoffMs(restartBackoff, Math.max(1, failures.count), () => 1) - nowMs;
  if (waitMs > 0) return { actions: [], situation: { type: 'machine' }, requeueAfterMs: waitMs };
  return { actions: [start], situation: { type: 'restarting' } };
}

function ttlLeftMs(vm: MicroVm, nowMs: number): number | undefined {
  if (vm.spec.ttlSeconds === undefined || vm.metadata.deletionTimestamp) return undefined;
  const endMs = Date.parse(vm.metadata.creationTimestamp ?? '') + vm.spec.ttlSeconds * 1000;
  return Number.isNaN(endMs) ? undefined : Math.max(0, endMs - nowMs);
}

function earliest(...delays: (number | undefined)[]): number | undefined {
  const known = delays.filter((delay) => delay !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}
