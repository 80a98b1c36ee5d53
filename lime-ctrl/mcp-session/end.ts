// When a session is over by itself: its time is up, or nobody called for long. Pure.
import type { McpSession } from '@tvm/api/kinds/mcp-session.ts';
import { conditionOf } from '@tvm/kit/kube/conditions.ts';
import type { Observed } from './world.ts';

export interface End {
  reason: 'IdleTimeout' | 'TtlExpired';
  message: string;
}

/** How long a session that is over stays visible. */
export const keepEndedMs = 3_600_000;

/** Why it is over now, or in how many ms it will be; undefined: it never will. */
export function endOf(observed: Observed): End | number | undefined {
  const { ttlSeconds, idleTimeoutSeconds } = observed.session.spec;
  const { nowMs, inUse } = observed;
  const ttlLeftMs = ttlSeconds && madeAtMs(observed.session) + ttlSeconds * 1000 - nowMs;
  if (ttlLeftMs !== undefined && ttlLeftMs <= 0) {
    return { reason: 'TtlExpired', message: `its ${ttlSeconds} s are over; make a new session` };
  }
  const idleLeftMs = idleTimeoutSeconds && (inUse ? 0 : lastUseMs(observed) - nowMs) + idleTimeoutSeconds * 1000;
  if (idleLeftMs !== undefined && idleLeftMs <= 0) {
    return { reason: 'IdleTimeout', message: `not called for ${idleTimeoutSeconds} s; make a new session` };
  }
  const left = [ttlLeftMs, idleLeftMs].filter((each) => each !== undefined);
  return left.length === 0 ? undefined : Math.min(...left);
}

/** Calls, and the moment from which there could be any. */
function lastUseMs({ session, usedAtMs }: Observed): number {
  const { lastActivity, conditions } = session.status ?? {};
  const ready = conditionOf(conditions, 'Ready');
  const readySince = ready?.status === 'True' ? timeOf(ready.lastTransitionTime) : 0;
  return Math.max(madeAtMs(session), usedAtMs, timeOf(lastActivity), readySince);
}

/** When it was over; undefined: it is not. */
export function endedAtMs({ status }: McpSession): number | undefined {
  const ended = conditionOf(status?.conditions, 'Ended');
  return ended?.status === 'True' ? timeOf(ended.lastTransitionTime) : undefined;
}

const madeAtMs = ({ metadata }: McpSession) => timeOf(metadata.creationTimestamp);

function timeOf(iso: string | undefined): number {
  const ms = Date.parse(iso ?? '');
  return Number.isNaN(ms) ? 0 : ms;
}
