// The streams of one 2025-11-25 connection as the library has them, and what it leaves out: updates of resources wait for a client
// that does not listen yet, and what both sides wait for is known. Invariant: what waits is bounded, one update a resource.
import { type JSONRPCMessage, WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/server';
import { type EventStore, isRequestId, type RequestId } from './event-store.ts';
import { unanswered } from './lost-answer.ts';
import { makeOpenExchanges } from './open-exchanges.ts';
import { withEnd } from './with-end.ts';

const maxUpdates = 64;
const maxUriLength = 4_096;
/** What the library calls the stream of a GET; a test breaks when it calls it something else. */
const listeningStream = '_GET_stream';

type SendOptions = Parameters<WebStandardStreamableHTTPServerTransport['send']>[1];

export interface LegacyTransportOptions {
  id: string;
  /** It ends with the transport. */
  events: EventStore;
  /** The client ended the connection. */
  onClosed: (id: string) => void;
}

export class LegacyTransport extends WebStandardStreamableHTTPServerTransport {
  readonly #events: EventStore;
  readonly #exchanges = makeOpenExchanges();
  /** The newest of each resource. */
  readonly #updates = new Map<string, JSONRPCMessage>();
  #listening = 0;

  constructor({ id, events, onClosed }: LegacyTransportOptions) {
    super({ sessionIdGenerator: () => id, eventStore: events, onsessionclosed: onClosed });
    this.#events = events;
  }

  /** Whether it answers a request that is open, or cancels one. True once for each. */
  claim(message: unknown): boolean {
    return this.#exchanges.claim(message);
  }

  /** `body` is what a POST brought, read already. */
  async serve(request: Request, body: unknown): Promise<Response> {
    for (const message of Array.isArray(body) ? body : [body]) this.#exchanges.received(message);
    const response = await this.#events.answering(requestIn(body), () =>
      this.handleRequest(request, body === undefined ? {} : { parsedBody: body }),
    );
    if (request.method !== 'GET' || !response.ok || !this.#listensBy(request)) return response;
    this.#listening += 1;
    await this.#tellUpdates();
    return withEnd(response, () => {
      this.#listening -= 1;
    });
  }

  override async send(message: JSONRPCMessage, options?: SendOptions): Promise<void> {
    this.#exchanges.sent(message);
    const uri = options?.relatedRequestId === undefined ? updatedUri(message) : undefined;
    if (uri === undefined || this.#listening > 0) return super.send(message, options);
    this.#updates.delete(uri);
    this.#updates.set(uri, message);
    for (const oldest of this.#updates.keys()) {
      if (this.#updates.size <= maxUpdates) return;
      this.#updates.delete(oldest);
    }
  }

  /** Requests that are open are answered first: a client waits for a stream that ends without an answer. */
  override async close(): Promise<void> {
    for (const id of this.#exchanges.open().filter(isRequestId)) {
      await this.send({ jsonrpc: '2.0', id, error: unanswered }).catch((error) => this.onerror?.(error));
    }
    await super.close();
    this.#events[Symbol.dispose]();
    this.#updates.clear();
  }

  /** Not when it takes up the stream of another request. */
  #listensBy({ headers }: Request): boolean {
    const lastEventId = headers.get('last-event-id');
    return lastEventId === null || this.#events.streamOf(lastEventId) === listeningStream;
  }

  async #tellUpdates(): Promise<void> {
    const waiting = [...this.#updates.values()];
    this.#updates.clear();
    for (const message of waiting) await super.send(message);
  }
}

/** The id of the one request that a POST brought; undefined when it is not one. */
function requestIn(body: unknown): RequestId | undefined {
  const { id, method } = (body ?? {}) as { id?: unknown; method?: unknown };
  return method !== undefined && isRequestId(id) ? id : undefined;
}

/** The resource that a message says has changed; undefined for every other message. */
function updatedUri(message: JSONRPCMessage): string | undefined {
  if (!('method' in message) || message.method !== 'notifications/resources/updated') return undefined;
  const uri = message.params?.uri;
  return typeof uri === 'string' && uri.length <= maxUriLength ? uri : undefined;
}
