// One cell of code in its context. Invariants: its time is bounded; when it is up, or the caller gives up, the cell is interrupted,
// and when that does not help the context is ended; one that is left to itself goes on, and its files stay.
import { randomBytes } from 'node:crypto';
import { TvmError } from '@tvm/api/errors.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import { makeCapture } from '../../../machine/capture.ts';
import { operate, readFile, writeFile } from '../../../machine/files.ts';
import type { Place } from '../../../machine/guest.ts';
import { attachProcess, fromNow, type InputBody, killProcess } from '../../../machine/processes.ts';
import { leave, maxOutputBytes } from '../../../machine/run-process.ts';
import { makeCellOutput } from './cell-output.ts';
import { type CellEnd, type CellOutcome, cellOutcome } from './cell-result.ts';
import { codeFolder } from './code-context.ts';

const interruptGraceMs = 3_000;
const maxOutcomeBytes = 16_777_216;

export interface Cell {
  place: Place;
  /** Names its files. */
  name: string;
  /** The process of the context. */
  contextId: string;
  code: string;
  timeoutMs: number;
  onOutput(channel: 'stdout' | 'stderr', bytes: Buffer): void;
  clock: Clock;
}

export async function runCell(cell: Cell, signal: AbortSignal): Promise<CellEnd> {
  const { name } = cell;
  const path = pathOf(name);
  await writeFile(cell.place, path, Buffer.from(cell.code), { makeParents: true, mode: 0o600 }, signal);
  try {
    const end = await followCell(cell, name, signal);
    if (signal.aborted) throw new TvmError('canceled', 'the call was cancelled');
    return { ...end, outcome: end.contextLost ? undefined : await readOutcome(cell.place, name) };
  } finally {
    if (signal.reason !== leave) await removeCell(cell.place, name);
  }
}

export function newCellName(): string {
  return randomBytes(16).toString('base64url');
}

const pathOf = (name: string) => `${codeFolder}/cells/${name}`;
/** Written when the cell has ended. */
export const outcomePathOf = (name: string) => `${pathOf(name)}.json`;

async function followCell(cell: Cell, name: string, signal: AbortSignal): Promise<Omit<CellEnd, 'outcome'>> {
  const { place, contextId, timeoutMs, clock } = cell;
  const captures = { stdout: makeCapture(maxOutputBytes), stderr: makeCapture(maxOutputBytes) };
  const outputs = { stdout: makeCellOutput(name), stderr: makeCellOutput(name) };
  const over = new AbortController();
  const interrupt = interruptAfter(cell, signal, over.signal);
  const inputs = async function* (): AsyncIterable<InputBody> {
    yield { case: 'stdin', value: Buffer.from(`${name} ${timeoutMs}\n`) };
    await interrupt.due;
    if (!over.signal.aborted && signal.reason !== leave) yield { case: 'signal', value: 'SIGINT' };
  };
  let contextLost = true;
  try {
    const now = { stdout: fromNow, stderr: fromNow };
    for await (const event of attachProcess(place, contextId, now, inputs(), over.signal)) {
      if (event.type !== 'output') continue;
      const own = outputs[event.channel].push(event.bytes);
      captures[event.channel].push(own);
      if (own.length > 0) cell.onOutput(event.channel, own);
      contextLost = !(outputs.stdout.ended && outputs.stderr.ended);
      if (!contextLost) break;
    }
  } finally {
    over.abort();
    await interrupt.settled;
  }
  const timedOut = interrupt.why() === 'timeout';
  return { stdout: captures.stdout.end(), stderr: captures.stderr.end(), timedOut, contextLost };

  function interruptAfter({ clock: time }: Cell, gone: AbortSignal, ended: AbortSignal) {
    let why: 'timeout' | 'gone' | undefined;
    const due = time.sleep(timeoutMs, AbortSignal.any([gone, ended])).then(() => {
      if (!ended.aborted) why = gone.aborted ? 'gone' : 'timeout';
    });
    const settled = due.then(async () => {
      if (ended.aborted) return;
      if (gone.reason === leave) return over.abort();
      await clock.sleep(interruptGraceMs, ended);
      if (!ended.aborted) await killProcess(place, contextId);
    });
    return { due, settled, why: () => why };
  }
}

/** Whoever is root in the machine may have written it. */
export async function readOutcome(place: Place, name: string): Promise<CellOutcome> {
  const { bytes } = await readFile(place, outcomePathOf(name), { offset: 0, limit: maxOutcomeBytes });
  try {
    return cellOutcome.parse(JSON.parse(bytes.toString()));
  } catch (cause) {
    throw new TvmError('failed_precondition', 'what the machine says of the code is unsound', { cause });
  }
}

export async function removeCell(place: Place, name: string): Promise<void> {
  for (const path of [pathOf(name), outcomePathOf(name)]) {
    // One that is not there, or a machine that is gone, leaves nothing to remove.
    await operate(place, { case: 'remove', value: { path } }).catch(() => {});
  }
}
