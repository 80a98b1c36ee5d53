// What a client hears of a call that takes long: progress when it asked for it, output as log messages, and a sign of life.
// Invariant: bounded: a machine that prints without end cannot flood the client, nor what waits for it.
import type { ServerContext } from '@modelcontextprotocol/server';
import type { Clock } from '@tvm/kit/clock.ts';

const flushMs = 200;
const heartbeatMs = 10_000;
const maxTextLength = 4_096;
const maxMessages = 600;

export interface Reporter {
  /** What the process printed; told soon, the newest of it when it is more than fits. */
  output(channel: 'stdout' | 'stderr', text: string): void;
  /** A step of the work, for a person. */
  step(message: string): void;
  /** Tells what has not been told yet, and is silent from then on. */
  end(): Promise<void>;
}

export function makeReporter(ctx: ServerContext, { clock, tool }: { clock: Clock; tool: string }): Reporter {
  const token = ctx.mcpReq._meta?.progressToken;
  const startedMs = clock.now();
  const over = new AbortController();
  const waiting = { stdout: '', stderr: '' };
  let sent = 0;
  let progress = 0;
  let toldMs = startedMs;

  async function tell(message: string): Promise<void> {
    toldMs = clock.now();
    if (token === undefined || sent >= maxMessages) return;
    sent += 1;
    progress += 1;
    await quietly(
      ctx.mcpReq.notify({ method: 'notifications/progress', params: { progressToken: token, progress, message } }),
    );
  }

  async function log(channel: 'stdout' | 'stderr', text: string): Promise<void> {
    if (sent >= maxMessages) return;
    sent += 1;
    await quietly(ctx.mcpReq.log(channel === 'stdout' ? 'info' : 'warning', { stream: channel, text }, tool));
  }

  async function flush(): Promise<void> {
    for (const channel of ['stdout', 'stderr'] as const) {
      const text = waiting[channel];
      waiting[channel] = '';
      if (text === '') continue;
      await log(channel, text);
      await tell(text);
    }
  }

  async function keepTelling(): Promise<void> {
    while (!over.signal.aborted) {
      await clock.sleep(flushMs, over.signal);
      await flush();
      if (clock.now() - toldMs >= heartbeatMs) {
        await tell(`${tool} has run for ${Math.round((clock.now() - startedMs) / 1000)} s`);
      }
    }
  }

  const telling = keepTelling();
  return {
    output(channel, text) {
      waiting[channel] = (waiting[channel] + text).slice(-maxTextLength);
    },
    step: (message) => void tell(message),
    async end() {
      over.abort();
      await telling;
    },
  };
}

/** The client may be gone: its call is cancelled then, and needs to hear nothing. */
async function quietly(sending: Promise<void>): Promise<void> {
  await sending.catch(() => {});
}
