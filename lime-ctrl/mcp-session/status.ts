// The status of an MCPSession and the Events that its changes are worth. Pure.
import type { TvmError } from '@tvm/api/errors.ts';
import type { McpSession, McpSessionStatus } from '@tvm/api/kinds/mcp-session.ts';
import type { MicroVm } from '@tvm/api/kinds/microvm.ts';
import { type ConditionIntent, conditionOf, withConditions } from '@tvm/kit/kube/conditions.ts';
import type { EventIntent } from '@tvm/kit/kube/event-recorder.ts';
import type { TokenFacts } from '../mcp/sessions/tokens.ts';
import type { Binding, Standing } from './binding.ts';
import type { End } from './end.ts';
import { secretNameOf } from './names.ts';

/** What the status is made of. */
export interface Situation {
  standing: Standing;
  binding: Binding | undefined;
  /** The token that the Secret has, or is about to get. */
  token: TokenFacts | undefined;
  end: End | undefined;
}

/** The very same object when nothing changed, so that it need not be written. */
export function statusOf(session: McpSession, situation: Situation, nowMs: number): McpSessionStatus {
  const before = session.status ?? {};
  const { standing, binding, token } = situation;
  const observedGeneration = session.metadata.generation ?? 0;
  const intents = conditionsOf(session, situation).map((intent) => ({ ...intent, observedGeneration }));
  const vm = binding?.type === 'bound' ? binding.vm : undefined;
  const next: McpSessionStatus = {
    ...before,
    state: standing.state,
    observedGeneration,
    ...(vm && { vmId: vm.metadata.name }),
    ...startOf(before, vm),
    ...(token && {
      connectionInfo: {
        url: token.audience,
        tokenSecretRef: { name: secretNameOf(session) },
        tokenExpiresAt: isoSeconds(token.expiresAtMs),
      },
    }),
    conditions: withConditions(before.conditions, intents, nowMs),
  };
  return same(next, before) ? before : next;
}

/** The status after the API server refused an action, so that it is seen without reading logs. */
export function refusedStatus(session: McpSession, error: TvmError, nowMs: number): McpSessionStatus {
  const before = session.status ?? {};
  const reason = error.reason ?? 'Refused';
  const ready: ConditionIntent = { type: 'Ready', status: 'False', reason, message: error.message };
  const conditions = withConditions(before.conditions, [ready], nowMs);
  return conditions === before.conditions ? before : { ...before, state: before.state ?? 'Pending', conditions };
}

/** The first start is simply known; a later one stays to be told to whoever works in the machine. */
function startOf({ vmId, machineStartedAt }: McpSessionStatus, vm: MicroVm | undefined): McpSessionStatus {
  const startedAt = vm?.status?.phase === 'Running' ? vm.status.startedAt : undefined;
  const known = vmId === vm?.metadata.name && machineStartedAt !== undefined;
  return startedAt === undefined || known ? {} : { machineStartedAt: startedAt };
}

function conditionsOf(session: McpSession, { standing, binding, end }: Situation): ConditionIntent[] {
  const { ready: status, reason, message } = standing;
  const ready: ConditionIntent = { type: 'Ready', status, reason, message };
  if (end) return [ready, { type: 'Ended', status: 'True', ...end }];
  return [...(binding ? [boundCondition(session, binding)] : []), ready];
}

function boundCondition({ spec }: McpSession, binding: Binding): ConditionIntent {
  const type = 'Bound';
  switch (binding.type) {
    case 'bound': {
      const { name } = binding.vm.metadata;
      const whose = spec.vmId === undefined ? ', its own' : '';
      return { type, status: 'True', reason: 'Bound', message: `to MicroVM ${name}${whose}` };
    }
    case 'missing':
      return { type, status: 'False', reason: 'MakingMachine', message: 'its own MicroVM is being made' };
    case 'blocked':
      return { type, status: 'False', reason: binding.reason, message: binding.message };
  }
}

const ordinary = new Set(['Ready', 'Idle', 'Pending', 'Creating', 'Starting', 'MakingMachine', 'MachineGone']);

/** One Event for each step that the session took. */
export function eventsBetween(
  session: McpSession,
  after: McpSessionStatus,
  { rotates }: { rotates: boolean },
): EventIntent[] {
  const before = session.status ?? {};
  const events: EventIntent[] = [];
  const bound = changed(before, after, 'Bound');
  if (bound && bound.reason !== 'MakingMachine') {
    events.push({ type: bound.status === 'True' ? 'Normal' : 'Warning', reason: bound.reason, message: bound.message });
  }
  if (rotates && before.connectionInfo !== undefined) {
    events.push({ type: 'Normal', reason: 'TokenRotated', message: 'its Secret has a new token' });
  }
  const ready = changed(before, after, 'Ready');
  const ended = changed(before, after, 'Ended');
  if (ended) events.push({ type: 'Normal', reason: ended.reason, message: ended.message });
  else if (ready && ready.reason !== bound?.reason) events.push(...readyEvent(before, after, ready));
  return events;
}

function readyEvent(before: McpSessionStatus, { state }: McpSessionStatus, { reason, message }: ConditionIntent) {
  if (state === 'Ready' && before.state === 'Idle') return [normal('Resumed', message)];
  if (state === 'Ready' || state === 'Idle') return [normal(reason, message)];
  return ordinary.has(reason) ? [] : [{ type: 'Warning' as const, reason, message }];
}

const normal = (reason: string, message: string): EventIntent => ({ type: 'Normal', reason, message });

/** The condition as it is after, when its reason is another one than before. */
function changed(before: McpSessionStatus, after: McpSessionStatus, type: string): ConditionIntent | undefined {
  const now = conditionOf(after.conditions, type);
  return now && conditionOf(before.conditions, type)?.reason !== now.reason ? now : undefined;
}

function same(a: McpSessionStatus, b: McpSessionStatus): boolean {
  const sorted = (status: McpSessionStatus) => Object.entries(status).toSorted(([x], [y]) => x.localeCompare(y));
  return JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));
}

function isoSeconds(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
}
