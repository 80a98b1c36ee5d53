// What was sent on the streams of one 2025-11-25 connection, so that a client that lost a stream resumes it.
// Invariant: bounded in events and bytes; the oldest are forgotten first, and an event that was forgotten resumes nothing. The id of an
// event says which request its stream answers, for whoever has to tell a client that nobody will.
import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import type { JSONRPCMessage, EventStore as ReplayStore } from '@modelcontextprotocol/server';
import type { EventBudget } from './event-budget.ts';

export type RequestId = string | number;

const maxRequestIdLength = 256;
const idPattern = /^([0-9a-f]{12})-(\d{1,15})(?:\.([\w-]{1,1500}))?$/;

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
  /** The events of what is done within `work` are of the stream that answers this request. */
  answering<T>(request: RequestId | undefined, work: () => T): T;
}

interface StoredEvent {
  id: string;
  stream: string;
  message: JSONRPCMessage;
  bytes: number;
}

/** The request that the stream of this event answers, whichever store it is of; undefined when it is none, or not known. */
export function requestOf(eventId: string): RequestId | undefined {
  const encoded = idPattern.exec(eventId)?.[3];
  if (encoded === undefined) return undefined;
  try {
    const request: unknown = JSON.parse(Buffer.from(encoded, 'base64url').toString());
    return isRequestId(request) ? request : undefined;
  } catch {
    return undefined;
  }
}

export function isRequestId(value: unknown): value is RequestId {
  return typeof value === 'number' || (typeof value === 'string' && value.length <= maxRequestIdLength);
}

/** Disposed of, it holds nothing, and leaves the budget. */
export function makeEventStore(bounds: EventStoreBounds, budget: EventBudget): EventStore {
  const stored = new Map<number, StoredEvent>();
  const mark = randomBytes(6).toString('hex');
  const answered = new AsyncLocalStorage<RequestId | undefined>();
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

  const numberOf = (eventId: string): number | undefined => {
    const [, store, number] = idPattern.exec(eventId) ?? [];
    return store === mark ? Number(number) : undefined;
  };
  const find = (eventId: string) => stored.get(numberOf(eventId) ?? 0);
  const idOf = (at: number, request: RequestId | undefined) =>
    `${mark}-${at}${request === undefined ? '' : `.${Buffer.from(JSON.stringify(request)).toString('base64url')}`}`;

  return {
    async storeEvent(stream, message) {
      const at = next;
      next += 1;
      const bytes = JSON.stringify(message).length;
      const id = idOf(at, answered.getStore());
      stored.set(at, { id, stream, message, bytes });
      heldBytes += bytes;
      while (stored.size > bounds.events || heldBytes > bounds.bytes) dropOldest();
      budget.keep();
      return id;
    },
    isOfAnother: (eventId) => idPattern.test(eventId) && numberOf(eventId) === undefined,
    answering: (request, work) => answered.run(request, work),
    holds: (eventId) => find(eventId) !== undefined,
    streamOf: (eventId) => find(eventId)?.stream,
    async replayEventsAfter(lastEventId, { send }) {
      const last = find(lastEventId);
      if (!last) throw new Error('the event was forgotten');
      const after = numberOf(lastEventId) ?? 0;
      for (const [at, { id, stream, message }] of [...stored]) {
        // An event without content only says where a stream began.
        if (at > after && stream === last.stream && Object.keys(message).length > 0) await send(id, message);
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
