// tasks/get, cancel and update of 2026-07-28, and get, result, list and cancel of 2025-11-25. Invariant: a task that is not the
// caller's is answered like one that never was.
import {
  type McpServer,
  ProtocolError,
  ProtocolErrorCode,
  RELATED_TASK_META_KEY,
  type Result,
  type ServerContext,
} from '@modelcontextprotocol/server';
import { z } from 'zod';
import type { SessionContext } from '../../contract.ts';
import { makeGuest, type Place } from '../../machine/guest.ts';
import type { ServerDeps } from '../build-server.ts';
import { isExecutionId } from '../executions.ts';
import { pageOf } from '../paging.ts';
import { listTaskIds } from './task-record.ts';
import { legacyTask, modernTask, pollIntervalMs, type TaskState } from './task-view.ts';

const pageSize = 50;
const params = z.looseObject({ taskId: z.string().max(256) });
const listParams = z.looseObject({ cursor: z.string().max(256).optional() });

type Holder = { context: SessionContext };

export function handleTasks({ server }: McpServer, deps: ServerDeps, holder: Holder, modern: boolean): void {
  const find = (taskId: string) => findTask(deps, holder.context, taskId);
  server.setRequestHandler('tasks/get', { params }, async ({ taskId }) => {
    const { state } = await find(taskId);
    return modern ? modernTask(state) : legacyTask(state);
  });
  server.setRequestHandler('tasks/cancel', { params }, async ({ taskId }) => {
    const { state, place } = await find(taskId);
    if (!modern && state.status !== 'working') throw invalid(`task ${taskId} is over: ${state.status}`);
    await deps.tasks.cancel(place, taskId);
    return modern ? {} : legacyTask((await find(taskId)).state);
  });
  if (modern) {
    server.setRequestHandler('tasks/update', { params }, async ({ taskId }) => {
      await find(taskId);
      return {};
    });
    return;
  }
  server.setRequestHandler('tasks/result', { params }, async ({ taskId }, ctx) =>
    resultWhenOver(deps, ctx, () => find(taskId)),
  );
  server.setRequestHandler('tasks/list', { params: listParams }, async ({ cursor }) => {
    const { items, ...rest } = pageOf(await tasksOf(deps, holder.context), cursor, pageSize);
    return { tasks: items.map(legacyTask), ...rest };
  });
}

async function findTask(
  deps: ServerDeps,
  context: SessionContext,
  taskId: string,
): Promise<{ place: Place; state: TaskState }> {
  if (!(await isExecutionId(deps.seal, context, taskId))) throw invalid('there is no such task');
  const place = await makeGuest(context, deps.clientOf).place();
  const state = await deps.tasks.state(place, taskId);
  if (!state) throw invalid('there is no such task');
  return { place, state };
}

async function resultWhenOver(
  { clock }: ServerDeps,
  { mcpReq }: ServerContext,
  find: () => Promise<{ state: TaskState }>,
): Promise<Result> {
  for (;;) {
    const { state } = await find();
    if (mcpReq.signal.aborted) throw invalid('cancelled');
    if (state.status === 'cancelled')
      throw new ProtocolError(ProtocolErrorCode.InternalError, 'the task was cancelled');
    if (state.error) throw new ProtocolError(state.error.code, state.error.message);
    if (state.result) return { ...state.result, _meta: { [RELATED_TASK_META_KEY]: { taskId: state.id } } };
    await clock.sleep(pollIntervalMs, mcpReq.signal);
  }
}

async function tasksOf(deps: ServerDeps, context: SessionContext): Promise<TaskState[]> {
  const place = await makeGuest(context, deps.clientOf).place();
  const states: TaskState[] = [];
  for (const id of await listTaskIds(place)) {
    if (!(await isExecutionId(deps.seal, context, id))) continue;
    const state = await deps.tasks.state(place, id);
    if (state) states.push(state);
  }
  return states.toSorted((a, b) => a.createdAtMs - b.createdAtMs);
}

function invalid(message: string): ProtocolError {
  return new ProtocolError(ProtocolErrorCode.InvalidParams, message);
}
