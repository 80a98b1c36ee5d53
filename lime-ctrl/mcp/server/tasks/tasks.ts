// What is known of a task: its record, and the process that does its work. Invariant: the answer is the same whichever replica is
// asked, for all of it is in the machine.
import type { CallToolResult } from '@modelcontextprotocol/server';
import type { Clock } from '@tvm/kit/clock.ts';
import type { Place } from '../../machine/guest.ts';
import { attachProcess, killProcess, listProcesses, noInput } from '../../machine/processes.ts';
import { followToEnd } from '../../machine/run-process.ts';
import { executionContent, executionViewOf } from '../execution-view.ts';
import { resultOf } from '../tool.ts';
import { type CellWork, cellEnd, interruptCell } from '../tools/code/cell-work.ts';
import { readTask, type TaskRecord, writeTask } from './task-record.ts';
import type { TaskState } from './task-view.ts';

const collectDeadlineMs = 30_000;

export interface Tasks {
  /** Undefined when there is no such task, or not any more. */
  state(place: Place, id: string): Promise<TaskState | undefined>;
  /** Writes down what came of it. A task that was cancelled stays so. */
  finish(place: Place, id: string, result: CallToolResult): Promise<void>;
  /** Kills its work. Nothing happens to one that is over. */
  cancel(place: Place, id: string): Promise<void>;
}

export function makeTasks(clock: Clock): Tasks {
  async function state(place: Place, id: string): Promise<TaskState | undefined> {
    const record = await readTask(place, id, clock.now());
    if (!record) return undefined;
    const { createdAtMs, updatedAtMs, ttlMs } = record;
    const facts = { id, createdAtMs, updatedAtMs, ttlMs };
    if (record.cancelled) return { ...facts, status: 'cancelled' };
    if (record.result) return { ...facts, status: 'completed', result: record.result as CallToolResult };
    const result = record.cell
      ? await resultOfCell(place, record.cell, clock.now() - createdAtMs)
      : await resultOfProcess(place, id);
    if (result === 'forgotten') return { ...facts, status: 'failed', error: forgotten };
    if (result === 'working') return { ...facts, status: 'working' };
    await finish(place, id, result);
    return { ...facts, updatedAtMs: clock.now(), status: 'completed', result };
  }

  async function update(place: Place, id: string, change: (record: TaskRecord) => TaskRecord | undefined) {
    const record = await readTask(place, id, clock.now());
    const changed = record && change(record);
    if (changed) await writeTask(place, id, { ...changed, updatedAtMs: clock.now() });
    return changed;
  }

  async function finish(place: Place, id: string, result: CallToolResult): Promise<void> {
    await update(place, id, (record) =>
      record.cancelled || record.result ? undefined : { ...record, result: result as TaskRecord['result'] },
    );
  }

  return {
    state,
    finish,
    async cancel(place, id) {
      const now = await state(place, id);
      if (now?.status !== 'working') return;
      const record = await update(place, id, (found) => ({ ...found, cancelled: true }));
      if (record?.cell) await interruptCell(place, record.cell);
      else await killProcess(place, id);
    },
  };
}

const forgotten = {
  code: -32603,
  message: 'the machine has forgotten what came of it: too many others have ended since',
};

type Came = CallToolResult | 'working' | 'forgotten';

async function resultOfProcess(place: Place, id: string): Promise<Came> {
  const process = (await listProcesses(place)).find((each) => each.id === id);
  if (!process) return 'forgotten';
  return process.exited ? collect(place, id) : 'working';
}

async function resultOfCell(place: Place, cell: CellWork, ranForMs: number): Promise<Came> {
  const end = await cellEnd(place, cell, ranForMs);
  return end ? resultOf(end) : 'working';
}

/** What its process printed and how it ended, as the machine still has it. */
async function collect(place: Place, id: string): Promise<CallToolResult> {
  const events = attachProcess(
    place,
    id,
    { stdout: 0n, stderr: 0n },
    noInput(),
    AbortSignal.timeout(collectDeadlineMs),
  );
  const ended = await followToEnd(events);
  return resultOf({ output: executionViewOf(id, ended), content: executionContent(id, ended) });
}
