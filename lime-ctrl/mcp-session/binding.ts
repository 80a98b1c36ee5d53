// Which machine a session works in, and how that one is. Pure.
import type { McpSession, sessionStates } from '@tvm/api/kinds/mcp-session.ts';
import type { MicroVm } from '@tvm/api/kinds/microvm.ts';
import { conditionOf } from '@tvm/kit/kube/conditions.ts';
import { isOwned, machineNameOf } from './names.ts';

export interface Standing {
  state: (typeof sessionStates)[number];
  /** Of the condition Ready. */
  ready: 'True' | 'False' | 'Unknown';
  reason: string;
  message: string;
}

export type Binding =
  | { type: 'bound'; vm: MicroVm }
  /** The session is to make its own. */
  | { type: 'missing' }
  | { type: 'blocked'; reason: string; message: string };

export function bindingOf(session: McpSession, named: MicroVm | undefined, own: MicroVm | undefined): Binding {
  const { vmId } = session.spec;
  const blocked = (reason: string, message: string): Binding => ({ type: 'blocked', reason, message });
  if (vmId === undefined) {
    if (!own) return { type: 'missing' };
    if (isOwned(own, session)) return { type: 'bound', vm: own };
    return blocked(
      'NameTaken',
      `MicroVM ${machineNameOf(session)} is there already, and not this session's: delete it`,
    );
  }
  if (!named || named.metadata.deletionTimestamp) {
    return blocked('NoMicroVM', `there is no MicroVM ${vmId} in this namespace: make it, or leave vmId out`);
  }
  if (named.metadata.ownerReferences?.some(({ kind }) => kind === 'MCPSession')) {
    return blocked('NotShared', `MicroVM ${vmId} is the own machine of a session: no other one works in it`);
  }
  if (!named.spec.mcpMode) {
    return blocked('McpModeOff', `MicroVM ${vmId} does not have mcpMode: true, so that no session may be bound to it`);
  }
  return { type: 'bound', vm: named };
}

/** How a session stands with this machine. */
export function standingWith(vm: MicroVm): Standing {
  const { name, deletionTimestamp } = vm.metadata;
  const { phase = 'Pending', reason = phase, message = '' } = vm.status ?? {};
  const said = message === '' ? '' : `: ${message}`;
  if (deletionTimestamp) return no('Pending', 'MachineGone', `MicroVM ${name} is being deleted`);
  if (conditionOf(vm.status?.conditions, 'Ready')?.status === 'Unknown') {
    return { ...no('Failed', reason, `MicroVM ${name}${said}; it may come back`), ready: 'Unknown' };
  }
  switch (phase) {
    case 'Running':
      return { state: 'Ready', ready: 'True', reason: 'Ready', message: `works in MicroVM ${name}` };
    case 'Paused':
      return pausedStanding(vm);
    case 'Failed':
      return no('Failed', reason, `MicroVM ${name} failed${said}; it is started anew, without what was in it`);
    case 'Stopped':
      return no('Failed', 'MachineStopped', `MicroVM ${name} is stopped${said}; start it: vvm start ${name}`);
    case 'Terminating':
      return no('Pending', 'MachineGone', `MicroVM ${name} is being destroyed`);
    default:
      return no('Pending', reason, `waits for MicroVM ${name}${said}`);
  }
}

function pausedStanding({ metadata: { name }, spec }: MicroVm): Standing {
  if (spec.desiredState === 'Paused') {
    return no(
      'Idle',
      'MachinePaused',
      `MicroVM ${name} is paused, as desiredState asks; resume it: vvm resume ${name}`,
    );
  }
  const message = `MicroVM ${name} rests; the next call resumes it`;
  return { state: 'Idle', ready: 'True', reason: 'Idle', message };
}

function no(state: Standing['state'], reason: string, message: string): Standing {
  return { state, ready: 'False', reason, message };
}
