// What to do next for a machine: a pure function of its record and of what is observed.
//
//   CreateMachine                    StopMachine, command exited
//        │                     ┌──────────────────────────────► STOPPED ─┐
//        ▼   guest configured  │      pause                              │ StartMachine
//     CREATING ────────────► RUNNING ◄──────► PAUSED                     │
//        │ ▲                   │      resume    │                        │
//        │ └───────────────────┼────────────────┼────────────────────────┤
//        └── failed step ──────┴── VMM ended ───┴───────────► FAILED ────┘
//   PAUSED for long: suspended, its memory on disk and no VMM, until it is resumed.
//   DestroyMachine: from every state to DESTROYING, then nothing is left.
//
// Invariant: no action means that the world is as the record wants it.
import type { VmStatus } from '../vmm/driver.ts';
import { type Outcome, outcomeOf } from './end.ts';
import type { MachineRecord } from './record.ts';

/** What is known beside the record; all but `vm` is forgotten when flintlock ends. */
export interface Observed {
  vm: VmStatus;
  /** The VMM was started for the run that is being made, not for one before. */
  startedForRun: boolean;
  /** Image and kernel are there. */
  filesReady: boolean;
  guest: 'unknown' | 'answered' | 'configured';
  /** What a machine that waits is to have ready was made ready. */
  exercised: boolean;
  command: 'none' | 'running' | { exitCode: number };
  shutdownTried: boolean;
  /** The VMM runs, the guest has not answered for long. */
  unresponsive: boolean;
  /** It has been paused for long: its memory may go to disk. */
  suspendDue: boolean;
}

export type Action =
  | { do: 'ensureFiles' }
  | { do: 'startVmm' }
  | { do: 'awaitGuest' }
  | { do: 'configureGuest' }
  /** Starts the waiting interpreter and goes once through what a run needs. */
  | { do: 'exercise' }
  | { do: 'startCommand' }
  | { do: 'followCommand' }
  | { do: 'pauseVmm' }
  | { do: 'resumeVmm' }
  /** Writes memory and devices of the paused VM to disk; the machine is suspended from then on. */
  | { do: 'suspend' }
  /** Starts a VMM from what `suspend` wrote; the machine is not suspended any more. */
  | { do: 'revive' }
  | { do: 'shutDownGuest' }
  | { do: 'killVmm' }
  /** Ends the VMM when it runs and removes what belongs to it. */
  | { do: 'removeVmm' }
  /** Removes the machine with its record. */
  | { do: 'forget' }
  | { do: 'settle'; outcome: Settled };

export type Settled =
  | (Outcome & { exitCode?: number })
  | { state: 'running' | 'paused'; reason: string; message: string; errorCode: '' };

export function plan(record: MachineRecord, observed: Observed): Action | undefined {
  if (record.desired === 'destroyed') return observed.vm.state === 'absent' ? { do: 'forget' } : { do: 'removeVmm' };
  switch (record.state) {
    case 'creating':
      return record.desired === 'stopped' ? planStop(observed) : planCreation(record, observed);
    case 'running':
    case 'paused':
      return planUp(record, observed);
    default:
      return observed.vm.state === 'absent' ? undefined : { do: 'removeVmm' };
  }
}

function planCreation(record: MachineRecord, observed: Observed): Action {
  const { vm } = observed;
  if (!observed.startedForRun) {
    if (vm.state !== 'absent') return { do: 'removeVmm' };
    return observed.filesReady ? { do: 'startVmm' } : { do: 'ensureFiles' };
  }
  if (vm.state === 'ended') return { do: 'settle', outcome: failedToBoot(outcomeOf(vm.end)) };
  if (vm.state === 'absent') return { do: 'startVmm' };
  if (observed.guest === 'unknown') return { do: 'awaitGuest' };
  if (observed.guest === 'answered') return { do: 'configureGuest' };
  if (runsCommand(record) && observed.command === 'none') return { do: 'startCommand' };
  if (record.spec.standby && !observed.exercised && vm.state === 'running') return { do: 'exercise' };
  if (record.desired === 'paused' && vm.state === 'running') return { do: 'pauseVmm' };
  return up(vm.state);
}

/** Whether it exists for a process: its own command, or the image's with arguments of its own. */
function runsCommand({ spec }: MachineRecord): boolean {
  return spec.command.length > 0 || spec.args.length > 0 || spec.runEntrypoint === true;
}

/** A guest that ends by itself before it was ready has failed, however orderly. */
function failedToBoot(outcome: Outcome): Outcome {
  return { ...outcome, state: 'failed', errorCode: 'unavailable' };
}

function planUp(record: MachineRecord, observed: Observed): Action | undefined {
  const { vm, command } = observed;
  if (typeof command === 'object') return { do: 'settle', outcome: commandExited(command.exitCode) };
  if (record.suspended) return planSuspended(record, observed);
  if (record.desired === 'stopped') return planStop(observed);
  if (vm.state === 'absent') return { do: 'settle', outcome: vanished };
  if (vm.state === 'ended') return { do: 'settle', outcome: outcomeOf(vm.end) };
  if (observed.unresponsive) return { do: 'settle', outcome: unresponsive };
  if (record.desired === 'paused' && vm.state === 'running') return { do: 'pauseVmm' };
  if (record.desired === 'running' && vm.state === 'paused') return { do: 'resumeVmm' };
  if (record.state !== vm.state) return up(vm.state);
  if (observed.suspendDue && vm.state === 'paused') return { do: 'suspend' };
  const follows = runsCommand(record) && command === 'none' && vm.state === 'running';
  return follows ? { do: 'followCommand' } : undefined;
}

/** What is on disk counts: a VMM that is still there was left by a step that did not end. */
function planSuspended(record: MachineRecord, { vm }: Observed): Action | undefined {
  if (vm.state !== 'absent') return { do: 'removeVmm' };
  if (record.desired === 'stopped') return { do: 'settle', outcome: requested };
  if (record.desired === 'running') return { do: 'revive' };
  return record.state === 'paused' ? undefined : up('paused');
}

function planStop(observed: Observed): Action {
  const { vm } = observed;
  if (vm.state === 'absent' || vm.state === 'ended') return { do: 'settle', outcome: requested };
  const canAsk = vm.state === 'running' && observed.guest !== 'unknown' && !observed.shutdownTried;
  return canAsk ? { do: 'shutDownGuest' } : { do: 'killVmm' };
}

/** The machine is up, and all is well. */
export function up(state: 'running' | 'paused'): Extract<Action, { do: 'settle' }> {
  return { do: 'settle', outcome: { state, reason: '', message: '', errorCode: '' } };
}

function commandExited(exitCode: number): Settled {
  const message = `the command ended with exit code ${exitCode}`;
  return { state: 'stopped', reason: 'CommandExited', message, errorCode: '', exitCode };
}

const requested: Settled = { state: 'stopped', reason: 'Requested', message: '', errorCode: '' };

const vanished: Settled = {
  state: 'failed',
  reason: 'VmmExited',
  message: 'the VMM is gone; nothing is known of how it ended',
  errorCode: 'unavailable',
};

const unresponsive: Settled = {
  state: 'failed',
  reason: 'GuestUnresponsive',
  message: 'the guest has not answered for more than a minute: it was halted, or its kernel hangs',
  errorCode: 'unavailable',
};
