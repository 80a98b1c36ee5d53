// One look at a process of the caller, with or without something sent to it.
import { type Exchange, exchange } from '../../../machine/exchange.ts';
import { attachProcess, fromNow, type InputBody } from '../../../machine/processes.ts';
import { checkExecutionId } from '../../executions.ts';
import type { ToolCall } from '../../tool.ts';

export const quietMs = 150;
export const defaultMaxBytes = 65_536;

export interface Look {
  /** Undefined: what comes from now on. */
  from?: { stdout: number; stderr: number };
  inputs: AsyncIterable<InputBody>;
  waitMs: number;
  maxBytes: number;
}

/** Throws not_found for a process that is not the caller's. */
export async function lookAt(
  id: string,
  { from, inputs, waitMs, maxBytes }: Look,
  { guest, deps, context, signal }: ToolCall,
): Promise<Exchange> {
  await checkExecutionId(deps.seal, context, id);
  const over = new AbortController();
  const offsets = from
    ? { stdout: BigInt(from.stdout), stderr: BigInt(from.stderr) }
    : { stdout: fromNow, stderr: fromNow };
  const ended = AbortSignal.any([over.signal, signal]);
  try {
    const events = attachProcess(await guest.place(), id, offsets, inputs, ended);
    const asked = from ?? { stdout: Number.MAX_SAFE_INTEGER, stderr: Number.MAX_SAFE_INTEGER };
    return await exchange(events, asked, { waitMs, quietMs, maxBytes }, deps.clock);
  } finally {
    over.abort();
  }
}
