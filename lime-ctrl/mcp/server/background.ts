// Work that goes on after its call was answered. Invariant: when the endpoint ends, all of it has ended too; what it followed in
// a machine goes on there.
import type { Logger } from '@tvm/kit/log.ts';
import { leave } from '../machine/run-process.ts';

export interface Background extends AsyncDisposable {
  /** Its signal aborts, with reason `leave`, when the endpoint ends. */
  run(what: string, work: (signal: AbortSignal) => Promise<unknown>): void;
}

export function makeBackground(log: Logger): Background {
  const stop = new AbortController();
  const running = new Set<Promise<void>>();

  async function guarded(what: string, work: (signal: AbortSignal) => Promise<unknown>): Promise<void> {
    try {
      await work(stop.signal);
    } catch (error) {
      if (!stop.signal.aborted) log.warn({ err: error, what }, 'MCP work failed');
    }
  }

  return {
    run(what, work) {
      const one = guarded(what, work);
      running.add(one);
      void one.then(() => running.delete(one));
    },
    async [Symbol.asyncDispose]() {
      stop.abort(leave);
      await Promise.all(running);
    },
  };
}
