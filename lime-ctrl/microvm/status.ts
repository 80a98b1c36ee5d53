// How a MicroVM stands, in words: its status. Pure; the same situation gives the same status.
import type { TvmError } from '@tvm/api/errors.ts';
import type { MicroVm, MicroVmStatus, Phase } from '@tvm/api/kinds/microvm.ts';
import { type ConditionIntent, withConditions } from '@tvm/kit/kube/conditions.ts';
import { disksGrown, growthCondition } from './disks.ts';
import { type Move, wordsOf } from './moving.ts';
import type { ObservedMachine } from './world.ts';

/** What the planner found. `machine`: the machine's own state tells all. */
export type Situation =
  | { type: 'machine' }
  /** `move`: what it lost its place by. */
  | { type: 'unplaced'; reason: string; message: string; move?: Move | undefined }
  | { type: 'moving'; move: Move }
  | { type: 'noSecret'; names: string[] }
  /** `lost`: what became of the machine before it. */
  | { type: 'making'; node: string; lost: Move['reason'] | 'MachineLost' | undefined }
  | { type: 'starting' }
  | { type: 'restarting' }
  | { type: 'neverStarted' }
  | { type: 'stopped' }
  | { type: 'expired' }
  | { type: 'idle'; outcome: 'paused' | 'stopped' | 'deleted' }
  | { type: 'nodeAway'; node: string; deleting: boolean }
  | { type: 'terminating' }
  | { type: 'destroyed' }
  | { type: 'finished' }
  | { type: 'gone'; node: string }
  | { type: 'abandoned'; node: string };

interface Standing {
  phase: Phase;
  reason: string;
  message: string;
}

const phaseOfState: Record<ObservedMachine['state'], Phase> = {
  Creating: 'Creating',
  Running: 'Running',
  Paused: 'Paused',
  Stopped: 'Stopped',
  Failed: 'Failed',
  Destroying: 'Creating',
};

/** The status; the very same object when nothing changed, so that it need not be written. */
export function statusOf(
  vm: MicroVm,
  machine: ObservedMachine | undefined,
  situation: Situation,
  nowMs: number,
): MicroVmStatus {
  const before = vm.status ?? {};
  const standing = standingOf(vm, machine, situation);
  const observedGeneration = vm.metadata.generation;
  const growth = growthCondition(vm, machine);
  const all = [...conditionsOf(standing, machine, situation, before), ...(growth ? [growth] : [])];
  const intents = all.map((intent) => (observedGeneration === undefined ? intent : { ...intent, observedGeneration }));
  const next: MicroVmStatus = {
    ...before,
    ...standing,
    ...(observedGeneration !== undefined && { observedGeneration }),
    ...(situation.type === 'making' && { host: situation.node }),
    ...(machine && factsOf(machine)),
    ...(situation.type === 'restarting' && machine?.startedAtMs && { restarts: (before.restarts ?? 0) + 1 }),
    conditions: withConditions(before.conditions, intents, nowMs),
  };
  if (machine && machine.exitCode === undefined) delete next.exitCode;
  if (machine?.address === '') delete next.address;
  return JSON.stringify(sorted(next)) === JSON.stringify(sorted(before)) ? before : next;
}

/** The status after the node refused an action: what it said, so that it is seen without reading logs. */
export function refusedStatus(vm: MicroVm, error: TvmError, nowMs: number): MicroVmStatus {
  const before = vm.status ?? {};
  const reason = error.reason ?? refusalReason(error.code);
  const observedGeneration = vm.metadata.generation ?? 0;
  const ready: ConditionIntent = { type: 'Ready', status: 'False', reason, message: error.message, observedGeneration };
  const conditions = withConditions(before.conditions, [ready], nowMs);
  const phase = before.phase === undefined || before.phase === 'Creating' ? 'Pending' : before.phase;
  return { ...before, phase, reason, message: error.message, observedGeneration, conditions };
}

/** The status after the node refused to make disks larger: the machine is as well as before. */
export function notGrownStatus(vm: MicroVm, error: TvmError, nowMs: number): MicroVmStatus {
  const { conditions, ...before } = vm.status ?? {};
  const observedGeneration = vm.metadata.generation ?? 0;
  const reason = error.reason ?? refusalReason(error.code);
  const grown: ConditionIntent = {
    ...{ type: disksGrown, status: 'False', reason, message: error.message },
    observedGeneration,
  };
  return { ...before, observedGeneration, conditions: withConditions(conditions, [grown], nowMs) };
}

/** resource_exhausted -> ResourceExhausted */
function refusalReason(code: string): string {
  return code.replace(/(^|_)([a-z])/g, (_, __, letter: string) => letter.toUpperCase());
}

function sorted(status: MicroVmStatus): [string, unknown][] {
  return Object.entries(status).toSorted(([a], [b]) => a.localeCompare(b));
}

function factsOf(machine: ObservedMachine): MicroVmStatus {
  const { node, bootMs, imageDigest, address, startedAtMs, exitCode } = machine;
  return {
    host: node,
    ...(bootMs > 0 && { bootMs }),
    ...(imageDigest !== '' && { imageDigest }),
    ...(address !== '' && { address }),
    ...(startedAtMs > 0 && { startedAt: new Date(startedAtMs).toISOString() }),
    ...(exitCode !== undefined && { exitCode }),
  };
}

function standingOf(vm: MicroVm, machine: ObservedMachine | undefined, situation: Situation): Standing {
  const { status: before = {} } = vm;
  switch (situation.type) {
    case 'machine':
      if (!machine) return { phase: 'Pending', reason: 'Unknown', message: '' };
      return { ...machineStanding(machine), ...stillIdle(vm) };
    case 'unplaced':
      return unplacedStanding(situation);
    case 'moving':
      return { phase: 'Pending', reason: situation.move.reason, message: wordsOf(situation.move) };
    case 'finished':
      return { phase: 'Stopped', reason: before.reason ?? 'CommandExited', message: before.message ?? '' };
    case 'noSecret':
      return { phase: 'Pending', reason: 'SecretNotFound', message: `waits for ${secretNames(situation.names)}` };
    case 'making':
      return { phase: 'Creating', reason: 'Creating', message: `being made on ${situation.node}` };
    case 'starting':
    case 'restarting':
      return { phase: 'Creating', reason: 'Starting', message: 'being started again' };
    case 'neverStarted':
    case 'stopped':
      return { phase: 'Stopped', reason: 'Requested', message: 'stopped, as desiredState asks', ...stillIdle(vm) };
    case 'nodeAway':
      return {
        phase: situation.deleting ? 'Terminating' : (before.phase ?? 'Pending'),
        reason: 'NodeUnreachable',
        message: `node ${situation.node} does not answer`,
      };
    case 'expired':
      return { phase: 'Terminating', reason: 'Expired', message: 'ttlSeconds have passed' };
    case 'idle':
      return idleStanding(vm, situation.outcome);
    case 'terminating':
    case 'destroyed':
      return { phase: 'Terminating', reason: 'Deleted', message: 'the machine is being destroyed' };
    case 'gone':
      return {
        phase: 'Terminating',
        reason: 'NodeGone',
        message: wordsOf({ reason: 'NodeGone', node: situation.node }),
      };
    case 'abandoned':
      return { phase: 'Terminating', reason: 'NodeGone', message: `node ${situation.node} did not come back` };
  }
}

function unplacedStanding({ reason, message, move }: Situation & { type: 'unplaced' }): Standing {
  if (!move) return { phase: 'Pending', reason, message };
  return { phase: 'Pending', reason: move.reason, message: `${wordsOf(move)}; no place for it yet: ${message}` };
}

function idleStanding({ spec }: MicroVm, outcome: 'paused' | 'stopped' | 'deleted'): Standing {
  const idle = `not used for ${spec.idleTimeoutSeconds} s`;
  const reason = 'Idle';
  if (outcome === 'paused')
    return { phase: 'Paused', reason, message: `${idle}; the next exec or file request resumes it` };
  if (outcome === 'stopped')
    return { phase: 'Running', reason, message: `${idle}: stopped, until it is started again` };
  return { phase: 'Terminating', reason, message: `${idle}: deleted` };
}

/** A machine that idleness stopped keeps saying so, until somebody wants it again. */
function stillIdle({ spec, status }: MicroVm): Partial<Standing> {
  if (spec.desiredState !== 'Stopped' || status?.reason !== 'Idle') return {};
  return { reason: status.reason, message: status.message ?? '' };
}

function machineStanding({ state, reason, message, node }: ObservedMachine): Standing {
  const phase = phaseOfState[state];
  if (state === 'Running') return { phase, reason: 'Running', message: `runs on ${node}` };
  if (state === 'Paused') return { phase, reason: 'Paused', message: 'paused, as desiredState asks' };
  return { phase, reason: reason || phase, message };
}

function conditionsOf(
  standing: Standing,
  machine: ObservedMachine | undefined,
  situation: Situation,
  before: MicroVmStatus,
): ConditionIntent[] {
  const ready: ConditionIntent = {
    type: 'Ready',
    status: standing.phase === 'Running' && situation.type === 'machine' ? 'True' : 'False',
    reason: standing.reason,
    message: standing.message,
  };
  if (situation.type === 'nodeAway') return [{ ...ready, status: 'Unknown' }];
  const scheduled = scheduledCondition(machine, situation, before);
  return [...(scheduled ? [scheduled] : []), ...imageCondition(machine, situation), ready];
}

function scheduledCondition(
  machine: ObservedMachine | undefined,
  situation: Situation,
  before: MicroVmStatus,
): ConditionIntent | undefined {
  if (situation.type === 'unplaced') {
    const { reason, message } = situation;
    return { type: 'Scheduled', status: 'False', reason, message };
  }
  const node = machine?.node ?? (situation.type === 'making' ? situation.node : before.host);
  if (node === undefined) return undefined;
  return { type: 'Scheduled', status: 'True', reason: 'Placed', message: `on ${node}` };
}

function imageCondition(machine: ObservedMachine | undefined, situation: Situation): ConditionIntent[] {
  if (!machine || situation.type === 'restarting' || situation.type === 'starting') return [];
  const type = 'ImageReady';
  if (machine.imageDigest !== '') return [{ type, status: 'True', reason: 'Present', message: machine.imageDigest }];
  if (machine.state === 'Failed' && machine.reason.startsWith('Image')) {
    return [{ type, status: 'False', reason: machine.reason, message: machine.message }];
  }
  return machine.state === 'Creating'
    ? [{ type, status: 'Unknown', reason: 'Preparing', message: 'being made ready' }]
    : [];
}

function secretNames(names: string[]): string {
  return `${names.length === 1 ? 'Secret' : 'Secrets'} ${names.join(', ')}`;
}
