// Joins observe, plan and execute for one MCPSession. Invariant: the status is written after what it tells of was done, and
// the finalizer goes last: with it goes the object, and nothing more can be said of it.
import { TvmError } from '@tvm/api/errors.ts';
import type { McpSession } from '@tvm/api/kinds/mcp-session.ts';
import type { ReconcileResult } from '@tvm/kit/controller/controller.ts';
import type { EventRecorder } from '@tvm/kit/kube/event-recorder.ts';
import { type ExecuteDeps, executeAction, writeStatus } from './execute.ts';
import { type ObserveDeps, observeMcpSession } from './observe.ts';
import { planMcpSession } from './plan.ts';
import { refusedStatus } from './status.ts';
import type { Action, Plan } from './world.ts';

export interface McpSessionDeps extends ObserveDeps, ExecuteDeps {
  recorder: EventRecorder;
}

export function makeMcpSessionReconcile(deps: McpSessionDeps): (key: string) => Promise<ReconcileResult> {
  return async (key) => {
    const observed = await observeMcpSession(deps, key);
    if (!observed) return {};
    const plan = planMcpSession(observed);
    await carryOut(deps, observed.session, plan);
    return { requeueAfterMs: plan.requeueAfterMs };
  };
}

const last = new Set<Action['type']>(['removeFinalizer', 'deleteObject']);

async function carryOut(deps: McpSessionDeps, planned: McpSession, plan: Plan): Promise<void> {
  let session = planned;
  for (const action of plan.actions.filter(({ type }) => !last.has(type))) {
    session = await attempt(deps, action, session);
  }
  if (plan.status !== planned.status && plan.status.state !== undefined) {
    session = await writeStatus(deps.client, session, plan.status);
  }
  for (const event of plan.events) deps.recorder.record(session, event);
  for (const action of plan.actions.filter(({ type }) => last.has(type))) await executeAction(deps, action, session);
}

/** What the API server refuses for good (a quota, missing rights) is told on the object too. */
async function attempt(deps: McpSessionDeps, action: Action, session: McpSession): Promise<McpSession> {
  try {
    return await executeAction(deps, action, session);
  } catch (thrown) {
    const error = TvmError.from(thrown, `${action.type} ${session.metadata.name}`);
    if (error.code !== 'aborted' && error.code !== 'unavailable') await tellRefusal(deps, action, session, error);
    throw error;
  }
}

async function tellRefusal(deps: McpSessionDeps, action: Action, session: McpSession, error: TvmError): Promise<void> {
  const status = refusedStatus(session, error, deps.clock.now());
  if (status === session.status) return;
  const reason = error.reason ?? 'Refused';
  deps.recorder.record(session, { type: 'Warning', reason, message: `${action.type}: ${error.message}` });
  await writeStatus(deps.client, session, status);
}
