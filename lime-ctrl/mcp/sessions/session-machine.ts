// The machine of a session, ready for its next call. Invariants: a machine that rests is resumed; one that was lost is told of
// once before the one that took its place is handed out; nobody waits for longer than a client would.
import { TvmError, type TvmErrorOptions } from '@tvm/api/errors.ts';
import { MachineState } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import type { McpSession } from '@tvm/api/kinds/mcp-session.ts';
import type { MicroVm } from '@tvm/api/kinds/microvm.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import type { Reflector } from '@tvm/kit/controller/reflector.ts';
import { keyOf } from '@tvm/kit/kube/client.ts';
import { bindingOf } from '../../mcp-session/binding.ts';
import { machineNameOf, microVmNameOf } from '../../mcp-session/names.ts';
import type { Activity } from '../../microvm/activity.ts';
import { type Fleet, machineNow, type PlacedMachine } from '../contract.ts';
import type { SessionActivity } from './activity.ts';

/** Clients give up a call after a minute. */
const waitMs = 25_000;
const resumeDeadlineMs = 30_000;
/** A node that is away for so long may just be starting, or not have told all of its machines yet. */
const nodeGraceMs = 5_000;

export interface SessionMachineDeps {
  fleet: Fleet;
  microVms: Pick<Reflector<MicroVm>, 'get' | 'subscribe'>;
  /** Whose machines are wanted: they do not become idle. */
  machineActivity: Activity;
  activity: SessionActivity;
  clock: Clock;
}

export interface SessionMachines {
  /** Throws a TvmError that says what is wrong with it and what to do. */
  obtain(session: McpSession): Promise<PlacedMachine>;
  /** In whatever state. */
  lastSeen(session: McpSession): PlacedMachine | undefined;
  /** What a call to it failed with, or the end of the machine when that is why. */
  explain(session: McpSession, thrown: unknown): Promise<unknown>;
  /** Its next start is meant: nobody needs to be told of it. */
  expectRestart(session: McpSession): void;
  /** The session with this uid is over. */
  forget(uid: string): void;
}

export function makeSessionMachines(deps: SessionMachineDeps): SessionMachines {
  const { fleet, machineActivity, activity } = deps;
  /** Sessions that know that their machine will be another one. */
  const warned = new Set<string>();

  async function obtain(session: McpSession): Promise<PlacedMachine> {
    const { vm, placed } = await whenUp(deps, session, (failure) => {
      warned.add(session.metadata.uid ?? '');
      return failure;
    });
    machineActivity.note(vm.metadata.uid ?? '');
    const up = placed.machine.state === MachineState.PAUSED ? await resume(fleet, vm, placed) : placed;
    tellOfAnother(session, vm, up);
    return up;
  }

  async function explain(session: McpSession, thrown: unknown): Promise<unknown> {
    const at = placeOf(deps, session);
    const { object } = TvmError.from(thrown);
    if (!at || object !== `machine/${at.machine.uid}`) return thrown;
    const now = await machineNow(fleet, at);
    if (now) fleet.learn(at.node, now);
    const found = look(deps, session);
    if (!(found instanceof TvmError) || found.reason !== failedReason) return thrown;
    warned.add(session.metadata.uid ?? '');
    return found;
  }

  function tellOfAnother(session: McpSession, vm: MicroVm, { machine }: PlacedMachine): void {
    const uid = session.metadata.uid ?? '';
    const startedAt = new Date(Number(machine.startedAtMs)).toISOString();
    const known = activity.acknowledged(uid) ?? session.status?.machineStartedAt ?? startedAt;
    if (activity.acknowledged(uid) !== startedAt) activity.acknowledge(keyOf(session), uid, startedAt);
    const told = warned.delete(uid);
    if (told || Date.parse(known) >= Number(machine.startedAtMs)) return;
    throw about(vm, 'aborted', 'MachineRestarted', `was started anew at ${startedAt}`, {
      hint: 'Files, processes and variables from before are gone. Call again to work in the new one.',
    });
  }

  return {
    obtain,
    lastSeen: (session) => placeOf(deps, session),
    explain,
    expectRestart: ({ metadata }) => void warned.add(metadata.uid ?? ''),
    forget: (uid) => void warned.delete(uid),
  };
}

interface Up {
  vm: MicroVm;
  placed: PlacedMachine;
}

/** Waits for a machine that is on its way, for a bounded time. */
async function whenUp(
  deps: SessionMachineDeps,
  session: McpSession,
  onFailure: (error: TvmError) => TvmError,
): Promise<Up> {
  const now = look(deps, session);
  if (!(now instanceof TvmError)) return now;
  if (now.reason !== notReady) throw onFailure(now);
  const { promise, resolve, reject } = Promise.withResolvers<Up>();
  const lookAgain = () => {
    const found = look(deps, session);
    if (!(found instanceof TvmError)) resolve(found);
    else if (found.reason !== notReady) reject(onFailure(found));
  };
  const unsubscribe = [deps.microVms.subscribe(lookAgain), deps.fleet.subscribe(lookAgain)];
  const settled = new AbortController();
  const late = deps.clock.sleep(waitMs, settled.signal).then(() => {
    if (!settled.signal.aborted) reject(look(deps, session));
  });
  try {
    return await promise;
  } finally {
    for (const stop of unsubscribe) stop();
    settled.abort();
    await late;
  }
}

const notReady = 'MachineNotReady';
const failedReason = 'MachineFailed';

function placeOf({ fleet, microVms }: SessionMachineDeps, session: McpSession): PlacedMachine | undefined {
  const vm = microVms.get(`${session.metadata.namespace}/${microVmNameOf(session)}`);
  return vm && fleet.machine(vm.metadata.uid ?? '', vm.status?.host);
}

/** Its machine as it is now, or why there is none to work in. */
function look({ fleet, microVms, clock }: SessionMachineDeps, session: McpSession): Up | TvmError {
  const { namespace } = session.metadata;
  const { vmId } = session.spec;
  const own = microVms.get(`${namespace}/${machineNameOf(session)}`);
  const named = vmId === undefined ? undefined : microVms.get(`${namespace}/${vmId}`);
  const binding = bindingOf(session, named, own);
  if (binding.type === 'missing') {
    return new TvmError('unavailable', 'the machine of this session is being made', waiting);
  }
  if (binding.type === 'blocked') {
    const hint = 'Whoever made the session can put that right.';
    return new TvmError('failed_precondition', binding.message, { reason: binding.reason, hint });
  }
  const { vm } = binding;
  if (vm.metadata.deletionTimestamp) return about(vm, 'unavailable', notReady, 'is being destroyed', waiting);
  const placed = fleet.machine(vm.metadata.uid ?? '', vm.status?.host);
  return placed ? lookAt(nodeOf(placed, fleet, clock), vm, placed) : withoutMachine(vm);
}

const waiting = { reason: notReady, retryAfterSeconds: 5, hint: 'Call again in a few seconds.' };

function withoutMachine(vm: MicroVm): TvmError {
  if (vm.spec.desiredState === 'Stopped') return stopped(vm, '');
  const { reason, message } = vm.status ?? {};
  if (reason === 'NodeUnreachable') return nodeAway(vm, vm.status?.host ?? '');
  return about(vm, 'unavailable', notReady, `is not there yet${message ? `: ${message}` : ''}`, waiting);
}

function nodeOf({ node }: PlacedMachine, fleet: Fleet, clock: Clock): 'here' | 'awaited' | 'away' {
  const view = fleet.nodes().find(({ name }) => name === node);
  if (view?.reachable) return 'here';
  return view && clock.now() - view.sinceMs < nodeGraceMs ? 'awaited' : 'away';
}

function lookAt(at: ReturnType<typeof nodeOf>, vm: MicroVm, { node, machine }: PlacedMachine): Up | TvmError {
  if (at === 'away') return nodeAway(vm, node);
  if (at === 'awaited') return about(vm, 'unavailable', notReady, `is on the node ${node}, which is awaited`, waiting);
  const said = machine.message || machine.reason;
  switch (machine.state) {
    case MachineState.RUNNING:
      return { vm, placed: { node, machine } };
    case MachineState.PAUSED:
      if (vm.spec.desiredState !== 'Paused') return { vm, placed: { node, machine } };
      return about(vm, 'failed_precondition', 'MachinePaused', 'is paused, as its owner asks', {
        hint: `Resume it first: the tool vm_resume, or "vvm resume ${vm.metadata.name}".`,
      });
    case MachineState.FAILED:
      return about(vm, 'failed_precondition', failedReason, `failed: ${machine.reason}, ${said}`, {
        hint: 'Files, processes and variables in it are lost. It is started anew: call again in a few seconds.',
      });
    case MachineState.STOPPED:
      if (vm.spec.desiredState === 'Stopped' || machine.reason === 'CommandExited') return stopped(vm, said);
      return about(vm, 'unavailable', notReady, 'is about to start', waiting);
    default:
      return about(
        vm,
        'unavailable',
        notReady,
        `is being made${machine.message ? `: ${machine.message}` : ''}`,
        waiting,
      );
  }
}

async function resume(fleet: Fleet, vm: MicroVm, { node, machine }: PlacedMachine): Promise<PlacedMachine> {
  const request = { uid: vm.metadata.uid ?? '', generation: machine.generation };
  const resumed = await fleet.client(node).resumeMachine(request, { timeoutMs: resumeDeadlineMs });
  fleet.learn(node, resumed);
  return { node, machine: resumed };
}

function stopped(vm: MicroVm, said: string): TvmError {
  return about(vm, 'failed_precondition', 'MachineStopped', `is stopped${said === '' ? '' : `: ${said}`}`, {
    hint: `What was in its memory is gone. Start it: "vvm start ${vm.metadata.name}".`,
  });
}

function nodeAway(vm: MicroVm, node: string): TvmError {
  return about(vm, 'unavailable', 'NodeUnreachable', `is on the node ${node}, which does not answer`, {
    hint: 'It may come back with all that is in it. Call again in a minute.',
    retryAfterSeconds: 30,
  });
}

function about(vm: MicroVm, code: TvmError['code'], reason: string, what: string, options: TvmErrorOptions): TvmError {
  const { namespace, name } = vm.metadata;
  const message = `the machine of this session (MicroVM ${name}) ${what}`;
  return new TvmError(code, message, { ...options, reason, object: `microvm/${namespace}/${name}` });
}
