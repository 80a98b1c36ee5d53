// The Events of a MicroVM: what changed between its status before and the one now, in words. Pure.
import type { MicroVm, MicroVmStatus } from '@tvm/api/kinds/microvm.ts';
import type { EventIntent } from '@tvm/kit/kube/event-recorder.ts';
import { wordsOf } from './moving.ts';
import type { Situation } from './status.ts';
import type { ObservedMachine } from './world.ts';

/** One Event for each step that the object took from its status before to the one now. */
export function eventsBetween(
  vm: MicroVm,
  status: MicroVmStatus,
  situation: Situation,
  machine?: ObservedMachine,
): EventIntent[] {
  const before = vm.status ?? {};
  const events: EventIntent[] = [];
  if (situation.type === 'making') {
    const { lost } = situation;
    if (lost === 'MachineLost') events.push(warning(lost, `node ${situation.node} no longer has the machine`));
    // Unless it was told while there was no place for it.
    else if (lost && before.reason !== lost)
      events.push(warning(lost, wordsOf({ reason: lost, node: before.host ?? '' })));
    if (before.host !== situation.node) events.push(normal('Scheduled', `placed on ${situation.node}`));
  }
  if (situation.type === 'destroyed') events.push(normal('Destroyed', 'the machine is gone'));
  if (situation.type === 'gone') events.push(warning('NodeGone', status.message ?? ''));
  if (situation.type === 'abandoned') {
    const message = `node ${situation.node} did not come back: it destroys the machine if it ever does`;
    events.push(warning('NodeGone', message));
  }
  const moved = before.phase !== status.phase || before.reason !== status.reason;
  const said = moved ? phaseEvent(before, status, machine) : undefined;
  return said ? [...events, said] : events;
}

function phaseEvent(
  before: MicroVmStatus,
  { phase, reason = '', message = '', bootMs, exitCode }: MicroVmStatus,
  machine: ObservedMachine | undefined,
) {
  switch (phase) {
    case 'Pending':
      return warning(reason, message);
    case 'Creating':
      if (reason === 'Starting') return normal('Starting', message);
      return before.phase === 'Creating' ? undefined : normal('Creating', message || 'the machine is being made');
    case 'Running':
      if (reason === 'NodeUnreachable') return warning(reason, message);
      if (reason === 'Idle') return normal(reason, message);
      if (before.phase === 'Paused') return normal('Resumed', message);
      if (before.phase === 'Running') return undefined;
      return normal('Started', `${message}, ${machine?.restored ? 'restored' : 'booted'} in ${bootMs ?? 0} ms`);
    case 'Paused':
      return reason === 'NodeUnreachable'
        ? warning(reason, message)
        : normal(reason === 'Idle' ? reason : 'Paused', message);
    case 'Stopped':
      if (reason === 'CommandExited')
        return normal(reason, message || `the command ended with exit code ${exitCode ?? 0}`);
      return normal('Stopped', message);
    case 'Failed':
      return warning(reason, message || 'the machine failed');
    default:
      return before.phase === 'Terminating' ? undefined : normal('Destroying', message);
  }
}

const normal = (reason: string, message: string): EventIntent => ({ type: 'Normal', reason, message });
const warning = (reason: string, message: string): EventIntent => ({ type: 'Warning', reason, message });
