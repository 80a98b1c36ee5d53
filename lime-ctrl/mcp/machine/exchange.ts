// A look at a process that goes on: something is sent to it, what it prints for a while is taken, and it is left to itself.
// Invariant: bounded in time and bytes; what was not taken stays where the next look begins.
import type { Clock } from '@tvm/kit/clock.ts';
import type { ProcessEvent } from './processes.ts';

const startDeadlineMs = 30_000;

export interface Exchange {
  stdout: Buffer;
  stderr: Buffer;
  /** Where the next look goes on. */
  stdoutOffset: number;
  stderrOffset: number;
  /** Bytes that the machine no longer had. */
  lostBytes: number;
  exited: { exitCode: number; signal: string; timedOut: boolean } | undefined;
}

export interface ExchangeBounds {
  /** It is over when the process has ended, ... */
  waitMs: number;
  /** ... when nothing has come for so long after something came, ... */
  quietMs: number;
  /** ... or when so much has come of either output. */
  maxBytes: number;
}

/** `from`: the offsets that were asked for. */
export async function exchange(
  events: AsyncGenerator<ProcessEvent, void>,
  from: { stdout: number; stderr: number },
  bounds: ExchangeBounds,
  clock: Clock,
): Promise<Exchange> {
  const taken: Exchange = {
    stdout: Buffer.alloc(0),
    stderr: Buffer.alloc(0),
    stdoutOffset: from.stdout,
    stderrOffset: from.stderr,
    lostBytes: 0,
    exited: undefined,
  };
  // However long the start takes: only then is there something to wait for.
  let waitMs = startDeadlineMs;
  let deadlineMs = clock.now() + startDeadlineMs;
  try {
    for (;;) {
      const next = await within(events.next(), waitMs, clock);
      if (next === undefined || next.done) return taken;
      const seen = take(taken, next.value, from, bounds.maxBytes);
      if (seen === 'start') deadlineMs = clock.now() + bounds.waitMs;
      if (seen === 'enough') return taken;
      const leftMs = deadlineMs - clock.now();
      waitMs = Math.max(bounds.quietMs, seen === 'output' ? Math.min(leftMs, bounds.quietMs) : leftMs);
    }
  } finally {
    // It may be in the middle of waiting: it ends by itself once its signal aborts.
    events.return().catch(() => {});
  }
}

function take(
  taken: Exchange,
  event: ProcessEvent,
  from: { stdout: number; stderr: number },
  maxBytes: number,
): 'enough' | 'output' | 'start' {
  if (event.type === 'started') {
    taken.lostBytes = Math.max(0, event.stdoutOffset - from.stdout) + Math.max(0, event.stderrOffset - from.stderr);
    taken.stdoutOffset = event.stdoutOffset;
    taken.stderrOffset = event.stderrOffset;
    return 'start';
  }
  if (event.type === 'exited') {
    const { exitCode, signal, timedOut } = event;
    taken.exited = { exitCode, signal, timedOut };
    return 'enough';
  }
  const room = maxBytes - taken[event.channel].length;
  const bytes = event.bytes.subarray(0, room);
  taken[event.channel] = Buffer.concat([taken[event.channel], bytes]);
  taken[`${event.channel}Offset`] += bytes.length;
  return event.bytes.length >= room ? 'enough' : 'output';
}

/** Undefined when it takes longer. */
async function within<T>(work: Promise<T>, ms: number, clock: Clock): Promise<T | undefined> {
  const over = new AbortController();
  try {
    return await Promise.race([work, clock.sleep(ms, over.signal).then(() => undefined)]);
  } finally {
    over.abort();
    work.catch(() => {});
  }
}
