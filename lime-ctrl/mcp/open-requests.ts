// Requests of sessions that are being answered. Invariant: a stream does not outlive the token that opened it: it ends when that
// is revoked or its session is over, and within a minute of its life.
import type { Clock } from '@tvm/kit/clock.ts';

const lookEveryMs = 30_000;

export interface OpenRequest {
  /** Of the session. */
  uid: string;
  /** Of the token. */
  generation: number;
  expiresAtMs: number;
  /** Breaks the connection. */
  end: () => void;
}

export interface OpenRequests {
  /** Returns what to call when it is answered. */
  add(request: OpenRequest): () => void;
  /** Ends those of a session whose token is of a lower generation; Infinity: all of them. */
  endBelow(uid: string, generation: number): void;
  /** Ends those whose token has expired, until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
  readonly size: number;
}

export function makeOpenRequests(clock: Clock): OpenRequests {
  const bySession = new Map<string, Set<OpenRequest>>();

  function remove(request: OpenRequest): void {
    const open = bySession.get(request.uid);
    open?.delete(request);
    if (open?.size === 0) bySession.delete(request.uid);
  }

  function endWhere(all: Iterable<OpenRequest>, over: (request: OpenRequest) => boolean): void {
    for (const request of [...all].filter(over)) {
      remove(request);
      request.end();
    }
  }

  return {
    add(request) {
      const open = bySession.get(request.uid) ?? new Set();
      bySession.set(request.uid, open.add(request));
      return () => remove(request);
    },
    endBelow: (uid, generation) => endWhere(bySession.get(uid) ?? [], (each) => each.generation < generation),
    async run(signal) {
      while (!signal.aborted) {
        await clock.sleep(lookEveryMs, signal);
        const nowMs = clock.now();
        for (const open of [...bySession.values()]) endWhere(open, ({ expiresAtMs }) => expiresAtMs <= nowMs);
      }
    },
    get size() {
      return [...bySession.values()].reduce((sum, open) => sum + open.size, 0);
    },
  };
}
