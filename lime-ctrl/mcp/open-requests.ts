// Requests of sessions that are being answered. Invariant: a stream does not outlive the token that opened it by much: it ends
// when that is revoked or its session is over, and some time after its life.

/** Work that began with a good token may end. */
const graceMs = 3_600_000;

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
  /** Ends those whose token is no longer good for long. */
  endOld(nowMs: number): void;
  readonly size: number;
}

export function makeOpenRequests(): OpenRequests {
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
    endOld(nowMs) {
      for (const open of [...bySession.values()]) endWhere(open, ({ expiresAtMs }) => nowMs > expiresAtMs + graceMs);
    },
    get size() {
      return [...bySession.values()].reduce((sum, open) => sum + open.size, 0);
    },
  };
}
