// Changes of machines for those who watch. Invariant: a watcher that is slow holds at most one event a machine.
import type { MachineRecord } from './record.ts';

export type MachineChange =
  | { kind: 'changed' | 'removed'; record: MachineRecord }
  | { kind: 'synced'; record: undefined };

interface Watcher {
  pending: Map<string, MachineChange>;
  wake: () => void;
}

export class ChangeFeed {
  readonly #watchers = new Set<Watcher>();

  publish(change: MachineChange & { record: MachineRecord }): void {
    for (const watcher of this.#watchers) {
      // Anew at the end: events keep the order of their newest change.
      watcher.pending.delete(change.record.uid);
      watcher.pending.set(change.record.uid, change);
      watcher.wake();
    }
  }

  /** First `present()`, then `synced`, then changes until `signal` aborts. */
  async *watch(present: () => MachineRecord[], signal: AbortSignal): AsyncGenerator<MachineChange> {
    const watcher: Watcher = { pending: new Map(), wake: () => {} };
    this.#watchers.add(watcher);
    const onAbort = () => watcher.wake();
    signal.addEventListener('abort', onAbort);
    try {
      for (const record of present()) yield { kind: 'changed', record };
      yield { kind: 'synced', record: undefined };
      while (!signal.aborted) {
        const next = watcher.pending.entries().next();
        if (next.done) {
          await new Promise<void>((resolve) => {
            watcher.wake = resolve;
          });
          continue;
        }
        watcher.pending.delete(next.value[0]);
        yield next.value[1];
      }
    } finally {
      this.#watchers.delete(watcher);
      signal.removeEventListener('abort', onAbort);
    }
  }
}
