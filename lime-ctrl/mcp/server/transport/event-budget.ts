// What the streams of all connections of one session may hold together, so that a session with many of them holds no more than one with
// few. Invariant: beyond the budget the oldest go first, of the connection that holds most.

const bytesOfSession = 16_777_216;

export interface Holder {
  readonly heldBytes: number;
  dropOldest(): void;
}

export interface EventBudget {
  /** Returns what to call when the holder holds nothing any more. */
  join(holder: Holder): () => void;
  /** Somebody holds more now. */
  keep(): void;
}

export interface EventBudgets {
  of(sessionUid: string): EventBudget;
  /** Of how many sessions something is held. */
  readonly size: number;
}

export function makeEventBudgets(maxBytes = bytesOfSession): EventBudgets {
  const sessions = new Map<string, Set<Holder>>();
  return {
    of: (uid) => ({
      join(holder) {
        const holders = sessions.get(uid) ?? new Set();
        sessions.set(uid, holders.add(holder));
        return () => {
          if (holders.delete(holder) && holders.size === 0) sessions.delete(uid);
        };
      },
      keep: () => drop([...(sessions.get(uid) ?? [])], maxBytes),
    }),
    get size() {
      return sessions.size;
    },
  };
}

function drop(holders: Holder[], maxBytes: number): void {
  let total = holders.reduce((sum, { heldBytes }) => sum + heldBytes, 0);
  while (total > maxBytes) {
    const [most] = holders.toSorted((a, b) => b.heldBytes - a.heldBytes);
    if (!most) return;
    total -= most.heldBytes;
    most.dropOldest();
    total += most.heldBytes;
  }
}
