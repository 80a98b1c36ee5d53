// A call that becomes a task when it takes long. Invariant: the task is written down in the machine before the client hears of it.
import type { Place } from '../../machine/guest.ts';
import { leave } from '../../machine/run-process.ts';
import { type Answer, type Escalated, resultOf, type ToolCall } from '../tool.ts';
import type { CellWork } from '../tools/code/cell-work.ts';
import { writeTask } from './task-record.ts';
import { createdTask } from './task-view.ts';

const defaultTtlMs = 3_600_000;
const maxTtlMs = 7 * 86_400_000;

export interface Work {
  place: Place;
  /** Of the task, and of the execution that does it unless that is a cell of a context. */
  id: string;
  tool: string;
  cell?: CellWork;
}

/** `run` is given a signal that aborts when nobody wants the work any more, or with reason `leave` when it may go on alone. */
export async function runAsTaskWhenLong<Output>(
  call: ToolCall,
  work: Work,
  run: (signal: AbortSignal) => Promise<Answer<Output>>,
): Promise<Answer<Output> | Escalated> {
  const { taskWish, deps } = call;
  if (taskWish.kind === 'none') return run(call.signal);
  const given = new AbortController();
  const giveUp = () => given.abort(call.signal.reason);
  call.signal.addEventListener('abort', giveUp, { once: true });
  const running = run(given.signal);
  // Whoever awaits it hears of its failure.
  running.catch(() => {});
  try {
    const waitMs = taskWish.kind === 'offered' ? deps.taskAfterMs : 0;
    const early = await earlyResult(running, waitMs, deps.clock, call.signal);
    if (early !== undefined && taskWish.kind === 'offered') return early;
    return { task: await escalate(call, work, running, given) };
  } finally {
    call.signal.removeEventListener('abort', giveUp);
  }
}

async function earlyResult<T>(
  running: Promise<T>,
  waitMs: number,
  clock: ToolCall['deps']['clock'],
  signal: AbortSignal,
): Promise<T | undefined> {
  if (waitMs === 0) return undefined;
  const over = new AbortController();
  const late = clock.sleep(waitMs, AbortSignal.any([over.signal, signal])).then(() => undefined);
  try {
    const first = await Promise.race([running, late]);
    return signal.aborted ? await running : first;
  } finally {
    over.abort();
  }
}

async function escalate<Output>(
  { deps, taskWish }: ToolCall,
  { place, id, tool, cell }: Work,
  running: Promise<Answer<Output>>,
  given: AbortController,
) {
  const nowMs = deps.clock.now();
  const asked = taskWish.kind === 'asked' ? taskWish.ttlMs : undefined;
  const ttlMs = Math.min(Math.round(asked ?? defaultTtlMs), maxTtlMs);
  const record = { tool, createdAtMs: nowMs, updatedAtMs: nowMs, ttlMs, cancelled: false, ...(cell && { cell }) };
  await writeTask(place, id, record);
  deps.background.run(`task ${id}`, async (signal) => {
    signal.addEventListener('abort', () => given.abort(leave), { once: true });
    const result = resultOf(await running);
    await deps.tasks.finish(place, id, result);
  });
  return createdTask({ id, status: 'working', createdAtMs: nowMs, updatedAtMs: nowMs, ttlMs }, asModern(taskWish));
}

function asModern({ kind }: ToolCall['taskWish']): boolean {
  return kind === 'offered';
}
