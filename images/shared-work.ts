// One piece of work for many callers at once. Invariants: at most one run a key; it is canceled only when every caller has
// gone; each caller hears the progress, and leaves at once when its own signal aborts.
import { TvmError } from '@tvm/api/errors.ts';
import type { Progress } from './contract.ts';

interface Run<T> {
  result: Promise<T>;
  listeners: Set<Progress>;
  cancel: AbortController;
  lastMessage: string | undefined;
}

export type Work<T> = (onProgress: Progress, signal: AbortSignal) => Promise<T>;

/** Returns a function that joins the run of that key or starts one. */
export function makeSharedWork<T>() {
  const runs = new Map<string, Run<T>>();

  function start(key: string, work: Work<T>): Run<T> {
    const listeners = new Set<Progress>();
    const cancel = new AbortController();
    const run: Run<T> = { result: Promise.resolve() as Promise<never>, listeners, cancel, lastMessage: undefined };
    const announce: Progress = (message) => {
      run.lastMessage = message;
      for (const listener of listeners) listener(message);
    };
    run.result = work(announce, cancel.signal).finally(() => {
      if (runs.get(key) === run) runs.delete(key);
    });
    run.result.catch(() => undefined);
    runs.set(key, run);
    return run;
  }

  function leave(key: string, run: Run<T>, listener: Progress): void {
    run.listeners.delete(listener);
    if (run.listeners.size > 0) return;
    run.cancel.abort();
    if (runs.get(key) === run) runs.delete(key);
  }

  return async (key: string, onProgress: Progress, signal: AbortSignal | undefined, work: Work<T>): Promise<T> => {
    if (signal?.aborted) throw canceled(key);
    const run = runs.get(key) ?? start(key, work);
    const listener: Progress = (message) => onProgress(message);
    run.listeners.add(listener);
    if (run.lastMessage !== undefined) onProgress(run.lastMessage);
    let onAbort: (() => void) | undefined;
    const gone = new Promise<never>((_, reject) => {
      onAbort = () => reject(canceled(key));
      signal?.addEventListener('abort', onAbort, { once: true });
    });
    try {
      return await Promise.race([run.result, gone]);
    } finally {
      if (onAbort) signal?.removeEventListener('abort', onAbort);
      leave(key, run, listener);
    }
  };
}

function canceled(key: string): TvmError {
  return new TvmError('canceled', `${key}: canceled`);
}
