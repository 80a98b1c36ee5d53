// What a benchmark run makes, in one place. Invariant: all of it is ended and removed when the run is over, however it ends.
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';

export interface Scope extends AsyncDisposable {
  /** Short enough for sockets below it. */
  folder: string;
  /** Runs `dispose` at the end, in reverse order. Throws when the run is over already. */
  own(dispose: () => Promise<void>): void;
  /** Opened when first asked for; everybody gets the same, or the same failure. */
  lazy<T>(open: () => Promise<T>): () => Promise<T>;
}

export async function openScope(parent: string): Promise<Scope> {
  const folder = await mkdtemp(join(parent, 'tvm-bench-'));
  const stack = new AsyncDisposableStack();
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  let over = false;
  const refuseWhenOver = () => {
    if (over) throw new Error('the benchmark is over');
  };
  return {
    folder,
    own(dispose) {
      refuseWhenOver();
      stack.defer(dispose);
    },
    lazy<T>(open: () => Promise<T>) {
      let opened: Promise<T> | undefined;
      return () => {
        if (!opened) {
          refuseWhenOver();
          opened = open();
        }
        return opened;
      };
    },
    async [Symbol.asyncDispose]() {
      if (over) return;
      over = true;
      await stack.disposeAsync();
    },
  };
}
