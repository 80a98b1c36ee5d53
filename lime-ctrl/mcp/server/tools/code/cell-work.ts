// A cell that goes on as a task: what is known of it by its files and its context in the machine alone, so that each replica
// tells of it. Invariant: its time is bounded also when the replica that began it is gone.
import { TvmError } from '@tvm/api/errors.ts';
import { z } from 'zod';
import { makeCapture } from '../../../machine/capture.ts';
import { statFile } from '../../../machine/files.ts';
import type { Place } from '../../../machine/guest.ts';
import { attachProcess, killProcess, listProcesses, noInput, signalProcess } from '../../../machine/processes.ts';
import { maxOutputBytes } from '../../../machine/run-process.ts';
import { makeCellOutput } from './cell-output.ts';
import { cellAnswer } from './cell-result.ts';
import { languages } from './code-context.ts';
import { outcomePathOf, readOutcome, removeCell } from './run-cell.ts';

const collectDeadlineMs = 10_000;
const lateGraceMs = 5_000;

/** As it is written down in the machine. */
export const cellWork = z.object({
  name: z.string().regex(/^[\w-]{22}$/),
  contextId: z.string().max(64),
  language: z.enum(languages),
  context: z.string().max(64),
  timeoutMs: z.int().min(0),
});
export type CellWork = z.output<typeof cellWork>;

/** What came of it; undefined: it runs. One that should have ended long ago is ended. */
export async function cellEnd(place: Place, work: CellWork, ranForMs: number) {
  const { name, contextId, language, context, timeoutMs } = work;
  const hasOutcome = await exists(place, outcomePathOf(name));
  const runs = (await listProcesses(place)).some(({ id, exited }) => id === contextId && !exited);
  const late = ranForMs > timeoutMs + lateGraceMs;
  if (!hasOutcome && runs) {
    if (late) await killProcess(place, contextId);
    return undefined;
  }
  const outcome = hasOutcome ? await readOutcome(place, name) : undefined;
  const output = await collect(place, work);
  await removeCell(place, name);
  return cellAnswer(language, context, { ...output, outcome, timedOut: late, contextLost: !hasOutcome });
}

/** Interrupts it; the context goes on, unless the cell does not heed that. */
export function interruptCell(place: Place, { contextId }: CellWork): Promise<void> {
  return signalProcess(place, contextId, 'SIGINT');
}

/** What it printed, as far as the machine still has it. */
async function collect(place: Place, { name, contextId }: CellWork) {
  const captures = { stdout: makeCapture(maxOutputBytes), stderr: makeCapture(maxOutputBytes) };
  const outputs = { stdout: makeCellOutput(name), stderr: makeCellOutput(name) };
  const over = new AbortController();
  const signal = AbortSignal.any([over.signal, AbortSignal.timeout(collectDeadlineMs)]);
  const start = { stdout: 0n, stderr: 0n };
  try {
    for await (const event of attachProcess(place, contextId, start, noInput(), signal)) {
      if (event.type !== 'output') continue;
      captures[event.channel].push(outputs[event.channel].push(event.bytes));
      if (outputs.stdout.ended && outputs.stderr.ended) break;
    }
  } catch (error) {
    // A context that the machine has forgotten has nothing to tell.
    if (TvmError.from(error).code !== 'not_found') throw error;
  } finally {
    over.abort();
  }
  return { stdout: captures.stdout.end(), stderr: captures.stderr.end() };
}

async function exists(place: Place, path: string): Promise<boolean> {
  try {
    await statFile(place, path);
    return true;
  } catch (error) {
    if (TvmError.from(error).code === 'not_found') return false;
    throw error;
  }
}
