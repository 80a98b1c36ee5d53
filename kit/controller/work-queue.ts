// The queue of keys to reconcile. Invariants: a key waits once however often it is added; a key being worked on is never
// handed out again before it is done; one added meanwhile comes again afterwards.
import { type Backoff, backoffMs } from '../backoff.ts';
import type { Clock } from '../clock.ts';

export interface WorkQueue {
  /** Queues the key now. */
  add(key: string): void;
  /** Queues the key later, unless it is due earlier already. */
  addAfter(key: string, ms: number): void;
  /** Queues the key after its next backoff. */
  addFailed(key: string): void;
  /** Forgets the failures of the key. */
  forget(key: string): void;
  /** The next key, or undefined when the signal aborts. */
  next(signal: AbortSignal): Promise<string | undefined>;
  /** The key that `next` gave is done with. */
  done(key: string): void;
  /** Keys that wait and are due. */
  readonly depth: number;
}

const defaultBackoff: Backoff = { baseMs: 250, maxMs: 60_000 };

export function makeWorkQueue(clock: Clock, backoff = defaultBackoff, random: () => number = Math.random): WorkQueue {
  const due = new Set<string>();
  const working = new Set<string>();
  const again = new Set<string>();
  const later = new Map<string, { atMs: number; cancel: AbortController }>();
  const failures = new Map<string, number>();
  let waiters: (() => void)[] = [];

  function add(key: string): void {
    unschedule(key);
    if (working.has(key)) again.add(key);
    else if (!due.has(key)) {
      due.add(key);
      waiters.shift()?.();
    }
  }

  function unschedule(key: string): void {
    // With a reason of its own: the default one is an error with a stack, too much for what happens with every event.
    later.get(key)?.cancel.abort('unscheduled');
    later.delete(key);
  }

  function addAfter(key: string, ms: number): void {
    const atMs = clock.now() + ms;
    const scheduled = later.get(key);
    if (scheduled && scheduled.atMs <= atMs) return;
    unschedule(key);
    const entry = { atMs, cancel: new AbortController() };
    later.set(key, entry);
    clock.sleep(ms, entry.cancel.signal).then(() => {
      if (later.get(key) === entry) add(key);
    });
  }

  /** Something was added, or the signal aborted. The signal outlives the wait by far: nothing is left on it. */
  async function added(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = () => resolve();
    waiters.push(wake);
    signal.addEventListener('abort', wake, { once: true });
    await promise;
    signal.removeEventListener('abort', wake);
  }

  async function next(signal: AbortSignal): Promise<string | undefined> {
    while (!signal.aborted) {
      const [key] = due;
      if (key !== undefined) {
        due.delete(key);
        working.add(key);
        return key;
      }
      await added(signal);
    }
    waiters = [];
    for (const key of later.keys()) unschedule(key);
    return undefined;
  }

  return {
    add,
    addAfter,
    next,
    addFailed(key) {
      const count = (failures.get(key) ?? 0) + 1;
      failures.set(key, count);
      addAfter(key, backoffMs(backoff, count, random));
    },
    forget: (key) => failures.delete(key),
    done(key) {
      working.delete(key);
      if (again.delete(key)) add(key);
    },
    get depth() {
      return due.size;
    },
  };
}
