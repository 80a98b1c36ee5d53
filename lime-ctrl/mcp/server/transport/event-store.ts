// What was sent on the streams of one 2025-11-25 connection, so that a client that lost a stream resumes it.
// Invariant: bounded in events and bytes; the oldest are forgotten first, and an event that was forgotten resumes nothing.
import { randomBytes } from 'node:crypto';
import type { JSONRPCMessage, EventStore as ReplayStore } from '@modelcontextprotocol/server';
import type { EventBudget } from './event-budget.ts';

export interface EventStoreBounds {
  events: number;
  bytes: number;
}

/** It names no streams to the library, which then lets a client that comes back take over a stream from its former self. */
export interface EventStore extends ReplayStore, Disposable {
  holds(eventId: string): boolean;
  /** The stream of an event that is held. */
  streamOf(eventId: string): string | undefined;
  /** Whether it is an event of another store: of the same connection before it was opened again. */
  isOfAnother(eventId: string): boolean;
}

interface StoredEvent {
  stream: string;
  message: JSONRPCMessage;
  bytes: number;
}

/** Disposed of, it holds nothing, and leaves the budget. */
export function makeEventStore(bounds: EventStoreBounds, budget: EventBudget): EventStore {
  const stored = new Map<number, StoredEvent>();
  const mark = `${randomBytes(6).toString('hex')}-`;
  let next = 1;
  let heldBytes = 0;

  function dropOldest(): void {
    for (const [at, event] of stored) {
      stored.delete(at);
      heldBytes -= event.bytes;
      return;
    }
  }

  const holder = {
    get heldBytes() {
      return heldBytes;
    },
    dropOldest,
  };
  const leave = budget.join(holder);

  const isOwn = (eventId: string) => eventId.startsWith(mark) && /^\d{1,15}$/.test(eventId.slice(mark.length));
  const numberOf = (eventId: string) => Number(eventId.slice(mark.length));
  const find = (eventId: string) => (isOwn(eventId) ? stored.get(numberOf(eventId)) : undefined);

  return {
    async storeEvent(stream, message) {
      const at = next;
      next += 1;
      const bytes = JSON.stringify(message).length;
      stored.set(at, { stream, message, bytes });
      heldBytes += bytes;
      while (stored.size > bounds.events || heldBytes > bounds.bytes) dropOldest();
      budget.keep();
      return mark + at;
    },
    isOfAnother: (eventId) => /^[0-9a-f]{12}-\d{1,15}$/.test(eventId) && !isOwn(eventId),
    holds: (eventId) => find(eventId) !== undefined,
    streamOf: (eventId) => find(eventId)?.stream,
    async replayEventsAfter(lastEventId, { send }) {
      const last = find(lastEventId);
      if (!last) throw new Error('the event was forgotten');
      for (const [at, { stream, message }] of [...stored]) {
        // An event without content only says where a stream began.
        if (at > numberOf(lastEventId) && stream === last.stream && Object.keys(message).length > 0) {
          await send(mark + at, message);
        }
      }
      return last.stream;
    },
    [Symbol.dispose]() {
      stored.clear();
      heldBytes = 0;
      leave();
    },
  };
}
