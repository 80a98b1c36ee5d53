// What the API server lately did not let lime-ctrl do: a right that its role lacks is told, wherever it was missed.
// Invariant: what is refused is thrown to its caller as before.
import { TvmError } from '@tvm/api/errors.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import type { KubeClient, WatchEvent } from '@tvm/kit/kube/client.ts';

/** Whatever is refused is tried again sooner than this. */
const keptMs = 120_000;
const most = 5;

export interface Denials {
  client: KubeClient;
  /** What was refused lately, and what to do; undefined: nothing. */
  trouble(): string | undefined;
}

export function noteDenials(client: KubeClient, clock: Clock): Denials {
  const denied = new Map<string, number>();

  function note(error: unknown): void {
    if (!(error instanceof TvmError) || error.code !== 'permission_denied') return;
    const [oldest] = denied.keys();
    if (denied.size >= most && !denied.has(error.message) && oldest !== undefined) denied.delete(oldest);
    denied.set(error.message, clock.now());
  }

  const noting =
    <A extends unknown[], R>(call: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      try {
        return await call(...args);
      } catch (error) {
        note(error);
        throw error;
      }
    };

  async function* watched<T>(events: AsyncIterable<WatchEvent<T>>): AsyncIterable<WatchEvent<T>> {
    try {
      yield* events;
    } catch (error) {
      note(error);
      throw error;
    }
  }

  return {
    client: {
      get: noting(client.get) as KubeClient['get'],
      list: noting(client.list) as KubeClient['list'],
      watch: (resource, options) => watched(client.watch(resource, options)),
      create: noting(client.create) as KubeClient['create'],
      update: noting(client.update) as KubeClient['update'],
      updateStatus: noting(client.updateStatus) as KubeClient['updateStatus'],
      patch: noting(client.patch) as KubeClient['patch'],
      delete: noting(client.delete),
    },
    trouble() {
      for (const [message, atMs] of denied) if (clock.now() - atMs > keptMs) denied.delete(message);
      if (denied.size === 0) return undefined;
      return `rights are missing, apply the roles in deploy/: ${[...denied.keys()].toSorted().join('; ')}`;
    },
  };
}
