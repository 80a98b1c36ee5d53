// What was sent on the streams of one 2025-11-25 connection, so that a client that lost a stream resumes it.
// Invariant: bounded in events and bytes; the oldest are forgotten first, and an event that was forgotten resumes nothing.
import type { JSONRPCMessage, EventStore as ReplayStore } from '@modelcontextprotocol/server';

export interface EventStoreBounds {
  events: number;
  bytes: number;
}

/** It names no streams to the library, which then lets a client that comes back take over a stream from its former self. */
export interface EventStore extends ReplayStore {
  holds(eventId: string): boolean;
}

interface StoredEvent {
  stream: string;
  message: JSONRPCMessage;
  bytes: number;
}

export function makeEventStore(bounds: EventStoreBounds): EventStore {
  const stored = new Map<number, StoredEvent>();
  let next = 1;
  let heldBytes = 0;

  function trim(): void {
    for (const [at, event] of stored) {
      if (stored.size <= bounds.events && heldBytes <= bounds.bytes) return;
      stored.delete(at);
      heldBytes -= event.bytes;
    }
  }

  const find = (eventId: string) => (/^\d{1,15}$/.test(eventId) ? stored.get(Number(eventId)) : undefined);

  return {
    async storeEvent(stream, message) {
      const at = next;
      next += 1;
      const bytes = JSON.stringify(message).length;
      stored.set(at, { stream, message, bytes });
      heldBytes += bytes;
      trim();
      return String(at);
    },
    holds: (eventId) => find(eventId) !== undefined,
    async replayEventsAfter(lastEventId, { send }) {
      const last = find(lastEventId);
      if (!last) throw new Error('the event was forgotten');
      for (const [at, { stream, message }] of [...stored]) {
        // An event without content only says where a stream began.
        if (at > Number(lastEventId) && stream === last.stream && Object.keys(message).length > 0) {
          await send(String(at), message);
        }
      }
      return last.stream;
    },
  };
}
