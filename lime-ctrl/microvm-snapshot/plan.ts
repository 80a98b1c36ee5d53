// From (MicroVMSnapshot, its source, the files on nodes, now) to actions and status. Pure, never throws.
//
//   (new) ──▶ Pending ──source is up──▶ InProgress ──files there──▶ Ready ──files gone──▶ Failed (SnapshotLost)
//               ▲  no source, not running, node away │
//               └─────── refused by the node ◀───────┘
//   any ──deleted──▶ files deleted, or retained, or their node gone for good ──▶ (no object)
import {
  type MicroVmSnapshot,
  type MicroVmSnapshotStatus,
  snapshotFinalizer,
} from '@tvm/api/kinds/microvm-snapshot.ts';
import { type ConditionIntent, conditionOf, withConditions } from '@tvm/kit/kube/conditions.ts';
import type { EventIntent } from '@tvm/kit/kube/event-recorder.ts';
import { type Action, type HeldSnapshot, nameOnNode, type Observed, type Plan } from './world.ts';

/** How long a node may be away before a deleted MicroVMSnapshot no longer waits for it. */
export const nodeGoneGraceMs = 300_000;
const lookAgainMs = 10_000;

type Standing = Pick<MicroVmSnapshotStatus, 'phase' | 'readyToUse'> & {
  ready: ConditionIntent['status'];
  reason: string;
  message: string;
};

interface Step {
  actions: Action[];
  standing: Standing;
  requeueAfterMs?: number;
}

export function planMicroVmSnapshot(observed: Observed): Plan {
  const { snapshot } = observed;
  if (!snapshot) return { actions: [], status: undefined, events: [], requeueAfterMs: undefined };
  const { actions, standing, requeueAfterMs } = snapshot.metadata.deletionTimestamp
    ? stepDown(snapshot, observed)
    : stepUp(snapshot, observed);
  const status = statusOf(snapshot, standing, observed);
  return { actions, status, events: eventsBetween(snapshot.status ?? {}, standing), requeueAfterMs };
}

function stepDown(snapshot: MicroVmSnapshot, observed: Observed): Step {
  const { held, nodes, nowMs } = observed;
  const standing = standingNow(snapshot, 'Deleting', 'its files are being deleted');
  if (!snapshot.metadata.finalizers?.includes(snapshotFinalizer)) return { actions: [], standing };
  const free: Action = { type: 'removeFinalizer' };
  if (snapshot.spec.deletionPolicy === 'Retain') {
    return { actions: [free], standing: standingNow(snapshot, 'Retained', 'its files stay on their node') };
  }
  const retryInMs = observed.retryAtMs - nowMs;
  if (held.length > 0 && retryInMs > 0) {
    return { actions: [], standing: standingBefore(snapshot), requeueAfterMs: retryInMs };
  }
  if (held.length > 0) {
    const deletions = held.map(({ node }): Action => ({ type: 'deleteFiles', node }));
    return { actions: deletions, standing, requeueAfterMs: 0 };
  }
  const away = (snapshot.status?.hosts ?? []).filter((host) => !isReachable(observed, host));
  const awayMs = away.map((host) => nowMs - (nodes.find(({ name }) => name === host)?.sinceMs ?? 0));
  const deletedMs = nowMs - Date.parse(snapshot.metadata.deletionTimestamp ?? '');
  const leftMs = nodeGoneGraceMs - Math.min(deletedMs, ...awayMs);
  if (away.length === 0) return { actions: [free], standing };
  if (leftMs <= 0) return { actions: [free], standing: standingNow(snapshot, 'NodeGone', leftBehind(away)) };
  return { actions: [], standing: standingNow(snapshot, 'NodeUnreachable', awayText(away)), requeueAfterMs: leftMs };
}

function stepUp(snapshot: MicroVmSnapshot, observed: Observed): Step {
  if (!snapshot.metadata.finalizers?.includes(snapshotFinalizer)) {
    const step = withFinalizer(snapshot, observed);
    return { ...step, actions: [{ type: 'addFinalizer' }, ...step.actions] };
  }
  return withFinalizer(snapshot, observed);
}

function withFinalizer(snapshot: MicroVmSnapshot, observed: Observed): Step {
  const { held } = observed;
  const { hosts = [], readyToUse, phase } = snapshot.status ?? {};
  if (held.length > 0) {
    const message = `${held[0]?.sizeBytes} bytes on ${held.map(({ node }) => node).join(', ')}`;
    return { actions: [], standing: { phase: 'Ready', readyToUse: true, ready: 'True', reason: 'Ready', message } };
  }
  const away = hosts.filter((host) => !isReachable(observed, host));
  if (away.length > 0) {
    return {
      actions: [],
      standing: { ...standingNow(snapshot, 'NodeUnreachable', awayText(away)), ready: 'Unknown' },
      requeueAfterMs: lookAgainMs,
    };
  }
  const wasTaken = readyToUse || conditionOf(snapshot.status?.conditions, 'Ready')?.reason === 'SnapshotLost';
  if (wasTaken && phase !== undefined) {
    const message = `${hosts.join(', ')} no longer has the files`;
    return { actions: [], standing: notReady('Failed', 'SnapshotLost', message) };
  }
  return take(snapshot, observed);
}

function take(snapshot: MicroVmSnapshot, observed: Observed): Step {
  const { spec, status } = snapshot;
  const { source, sourceExists } = observed;
  const wait = (reason: string, message: string): Step => ({
    actions: [],
    standing: notReady('Pending', reason, message),
    requeueAfterMs: lookAgainMs,
  });
  const { microVM: name, retained } = spec.source;
  if (retained !== undefined)
    return wait('FilesNotFound', `no node that answers has files ${retained} of MicroVM ${name} of this namespace`);
  if (!sourceExists) return wait('SourceNotFound', `there is no MicroVM ${name} in this namespace`);
  if (!source) return wait('SourceNotRunning', `MicroVM ${name} has no machine now`);
  if (!isReachable(observed, source.node)) return wait('NodeUnreachable', awayText([source.node]));
  if (source.state !== 'Running' && source.state !== 'Paused') {
    return wait(
      'SourceNotRunning',
      `MicroVM ${name} is ${source.state}: only a running or paused one can be snapshotted`,
    );
  }
  const { node, uid, generation } = source;
  const retryInMs = observed.retryAtMs - observed.nowMs;
  if (retryInMs > 0) return { actions: [], standing: standingBefore(snapshot), requeueAfterMs: retryInMs };
  const assigned = status?.hosts?.length === 1 && status.hosts[0] === node;
  return {
    actions: [
      ...(assigned ? [] : [{ type: 'assignHost', node } as const]),
      { type: 'takeSnapshot', node, uid, generation },
    ],
    standing: notReady('InProgress', 'InProgress', `being written on ${node}`),
    requeueAfterMs: 0,
  };
}

function statusOf(snapshot: MicroVmSnapshot, standing: Standing, { held, nowMs }: Observed): MicroVmSnapshotStatus {
  const before = snapshot.status ?? {};
  const { phase, readyToUse, ready, reason, message } = standing;
  const observedGeneration = snapshot.metadata.generation ?? 0;
  const intent: ConditionIntent = { type: 'Ready', status: ready, reason, message, observedGeneration };
  const next: MicroVmSnapshotStatus = {
    ...before,
    phase,
    readyToUse,
    ...factsOf(held),
    files: nameOnNode(snapshot),
    observedGeneration,
    conditions: withConditions(before.conditions, [intent], nowMs),
  };
  return JSON.stringify(sorted(next)) === JSON.stringify(sorted(before)) ? before : next;
}

function factsOf(held: HeldSnapshot[]): MicroVmSnapshotStatus {
  const [first] = held;
  if (!first) return {};
  const { generation, sizeBytes, createdAtMs, image, cpu, memory } = first;
  const hosts = held.map(({ node }) => node).toSorted();
  return { generation, hosts, sizeBytes, createdAt: new Date(createdAtMs).toISOString(), image, cpu, memory };
}

function sorted(status: MicroVmSnapshotStatus): [string, unknown][] {
  return Object.entries(status).toSorted(([a], [b]) => a.localeCompare(b));
}

const trouble = new Set(['SourceNotFound', 'SourceNotRunning', 'NodeUnreachable', 'SnapshotLost', 'NodeGone']);

function eventsBetween({ conditions }: MicroVmSnapshotStatus, { reason, message }: Standing): EventIntent[] {
  if (conditionOf(conditions, 'Ready')?.reason === reason) return [];
  return [{ type: trouble.has(reason) ? 'Warning' : 'Normal', reason, message }];
}

function notReady(phase: Standing['phase'], reason: string, message: string): Standing {
  return { phase, readyToUse: false, ready: 'False', reason, message };
}

/** As it was, with something to say about it. */
function standingNow({ status }: MicroVmSnapshot, reason: string, message: string): Standing {
  return {
    phase: status?.phase ?? 'Pending',
    readyToUse: status?.readyToUse ?? false,
    ready: 'False',
    reason,
    message,
  };
}

function standingBefore(snapshot: MicroVmSnapshot): Standing {
  const { reason = 'Pending', message = '' } = conditionOf(snapshot.status?.conditions, 'Ready') ?? {};
  return standingNow(snapshot, reason, message);
}

function isReachable({ nodes }: Observed, host: string): boolean {
  return nodes.some(({ name, reachable }) => name === host && reachable);
}

const awayText = (hosts: string[]) => `${hosts.join(', ')} does not answer`;
const leftBehind = (hosts: string[]) =>
  `${hosts.join(', ')} did not come back: files of the snapshot may be left there`;
