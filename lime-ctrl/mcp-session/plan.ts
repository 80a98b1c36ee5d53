// From (MCPSession, the MicroVM it names) to its status. Pure. This version serves no MCP endpoint, and says so.
//
//   Pending: Bound=False (NoMicroVM, McpModeOff, NoPool) or Bound=True; Ready=False, reason GatewayMissing
import type { McpSession, McpSessionStatus } from '@tvm/api/kinds/mcp-session.ts';
import type { MicroVm } from '@tvm/api/kinds/microvm.ts';
import { type ConditionIntent, conditionOf, withConditions } from '@tvm/kit/kube/conditions.ts';
import type { EventIntent } from '@tvm/kit/kube/event-recorder.ts';

export interface SessionPlan {
  /** The very same object when nothing changed. */
  status: McpSessionStatus;
  events: EventIntent[];
}

const gatewayMissing = 'this version of lime-ctrl serves no MCP endpoint';

export function planMcpSession(session: McpSession, vm: MicroVm | undefined, nowMs: number): SessionPlan {
  const before = session.status ?? {};
  const bound = boundCondition(session, vm);
  const ready: ConditionIntent = {
    type: 'Ready',
    status: 'False',
    reason: 'GatewayMissing',
    message: gatewayMissing,
  };
  const observedGeneration = session.metadata.generation ?? 0;
  const intents = [bound, ready].map((intent) => ({ ...intent, observedGeneration }));
  const conditions = withConditions(before.conditions, intents, nowMs);
  if (
    conditions === before.conditions &&
    before.state === 'Pending' &&
    before.observedGeneration === observedGeneration
  ) {
    return { status: before, events: [] };
  }
  const events: EventIntent[] = [];
  if (conditionOf(before.conditions, 'Bound')?.reason !== bound.reason) {
    events.push({ type: bound.status === 'True' ? 'Normal' : 'Warning', reason: bound.reason, message: bound.message });
  }
  if (!conditionOf(before.conditions, 'Ready')) {
    events.push({ type: 'Warning', reason: ready.reason, message: ready.message });
  }
  return { status: { ...before, state: 'Pending', observedGeneration, conditions }, events };
}

function boundCondition({ spec }: McpSession, vm: MicroVm | undefined): ConditionIntent {
  const no = (reason: string, message: string): ConditionIntent => ({
    type: 'Bound',
    status: 'False',
    reason,
    message,
  });
  if (spec.vmId === undefined) return no('NoPool', 'no vmId is given, and no pool gives machines to sessions yet');
  if (!vm || vm.metadata.deletionTimestamp)
    return no('NoMicroVM', `there is no MicroVM ${spec.vmId} in this namespace`);
  if (!vm.spec.mcpMode) return no('McpModeOff', `MicroVM ${spec.vmId} does not have mcpMode: true`);
  return { type: 'Bound', status: 'True', reason: 'Bound', message: `to MicroVM ${spec.vmId}` };
}
