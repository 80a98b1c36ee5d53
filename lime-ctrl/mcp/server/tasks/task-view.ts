// A task as each revision shows it. Pure.
import type { CallToolResult, Result } from '@modelcontextprotocol/server';

export type TaskStatus = 'working' | 'completed' | 'failed' | 'cancelled';

export interface TaskState {
  id: string;
  status: TaskStatus;
  createdAtMs: number;
  updatedAtMs: number;
  ttlMs: number;
  /** Of a completed one. */
  result?: CallToolResult;
  /** Of a failed one. */
  error?: { code: number; message: string };
}

export const pollIntervalMs = 1_000;

/** 2026-07-28: flat, and what came of it inlined once it is over. */
export function modernTask(state: TaskState): Record<string, unknown> {
  return {
    taskId: state.id,
    status: state.status,
    ...times(state),
    ttlMs: state.ttlMs,
    pollIntervalMs,
    ...(state.result && { result: { resultType: 'complete', ...state.result } }),
    ...(state.error && { error: state.error }),
  };
}

/** 2025-11-25: what came of it is told by tasks/result. */
export function legacyTask(state: TaskState): Record<string, unknown> {
  const { id, status, ttlMs, error } = state;
  return {
    taskId: id,
    status,
    ...times(state),
    ttl: ttlMs,
    pollInterval: pollIntervalMs,
    ...(error && { statusMessage: error.message }),
  };
}

/** What is answered to a call that goes on as a task. */
export function createdTask(state: TaskState, modern: boolean): Result {
  return modern ? { resultType: 'task', ...modernTask(state) } : { content: [], task: legacyTask(state) };
}

function times({ createdAtMs, updatedAtMs }: TaskState) {
  return { createdAt: new Date(createdAtMs).toISOString(), lastUpdatedAt: new Date(updatedAtMs).toISOString() };
}
