// A process to its end: what it printed, bounded, and how it ended. Invariant: whoever stops waiting kills it.
import { TvmError } from '@tvm/api/errors.ts';
import { type Captured, makeCapture } from './capture.ts';
import type { Place } from './guest.ts';
import { killProcess, type ProcessEvent } from './processes.ts';

export const maxOutputBytes = 49_152;

export interface Ended {
  exitCode: number;
  signal: string;
  timedOut: boolean;
  stdout: Captured;
  stderr: Captured;
}

export interface FollowOptions {
  onOutput?: (channel: 'stdout' | 'stderr', bytes: Uint8Array) => void;
  maxBytes?: number;
}

/** Throws unavailable when the stream ended and the process has not. */
export async function followToEnd(
  events: AsyncIterable<ProcessEvent>,
  { onOutput, maxBytes = maxOutputBytes }: FollowOptions = {},
): Promise<Ended> {
  const captures = { stdout: makeCapture(maxBytes), stderr: makeCapture(maxBytes) };
  const skipped = { stdout: 0, stderr: 0 };
  for await (const event of events) {
    if (event.type === 'started') {
      skipped.stdout = event.stdoutOffset;
      skipped.stderr = event.stderrOffset;
    } else if (event.type === 'output') {
      captures[event.channel].push(event.bytes);
      onOutput?.(event.channel, event.bytes);
    } else {
      const { exitCode, signal, timedOut } = event;
      const stdout = captures.stdout.end(skipped.stdout);
      return { exitCode, signal, timedOut, stdout, stderr: captures.stderr.end(skipped.stderr) };
    }
  }
  throw new TvmError('unavailable', 'the machine told no end of the process', { reason: 'StreamLost' });
}

/** The reason of a signal that says: nobody waits any more, but the process goes on. */
export const leave = Symbol('leave');

/** The work, and when it is given up the end of the process, unless the signal's reason is `leave`. */
export async function killedWhenGivenUp<T>(
  place: Place,
  id: string,
  work: Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (signal.aborted && signal.reason !== leave) await killProcess(place, id);
    throw error;
  }
}
