// One connection of a client of 2025-11-25, with a server of its own behind it. Which of the client's requests a server's
// message belongs to is not said in that era; it is taken to belong to the only one that is open, or to the newest when the
// client listens to nothing else. Invariants: every request is answered, also when the server ends; the server waits for a
// client that is slow, and one that does not read at all is cut off.
import type { JSONRPCMessage } from '@modelcontextprotocol/server';
import { TvmError } from '@tvm/api/errors.ts';
import type { Logger } from '@tvm/kit/log.ts';
import type { EventBudget } from '../server/transport/event-budget.ts';
import { makeEventStore } from '../server/transport/event-store.ts';
import { LegacyTransport } from '../server/transport/legacy-transport.ts';
import { rpcErrorResponse } from '../server/transport/rpc-error.ts';
import { makeBacklog } from './backlog.ts';
import {
  isRequest,
  isResponse,
  type Message,
  type MessageId,
  metaOf,
  type RpcRequest,
  type RpcResponse,
} from './messages.ts';
import { goneOf } from './mux.ts';
import type { Wire } from './wire.ts';

const eventBounds = { events: 1_024, bytes: 4_194_304 };
const unreadBytes = 4_194_304;
const slowMs = 60_000;

export interface LegacyFrontOptions {
  id: string;
  /** The server itself. */
  child: Wire;
  /** Once it has started: its wire of the legacy era, and what the client's `initialize` is answered. */
  opened: Promise<{ wire: Wire; answer: RpcResponse }>;
  /** Of the session. */
  budget: EventBudget;
  log: Logger;
  /** The client said that it is done, or was told that there is nothing for it. */
  onClosed(): void;
}

export interface LegacyFront {
  handle(request: Request, body: unknown): Promise<Response>;
  /** Whether the message answers a request that is open, or cancels one. True once for each. */
  claim(message: unknown): boolean;
  /** Whether a request is open, or the client listens. */
  readonly busy: boolean;
  readonly ended: TvmError | undefined;
  /** `why` is what requests are told that come later. */
  close(why?: TvmError): Promise<void>;
}

export function makeLegacyFront({ id, child, opened, budget, log, onClosed }: LegacyFrontOptions): LegacyFront {
  const open = new Map<MessageId, RpcRequest>();
  const backlog = makeBacklog(unreadBytes);
  let listening = 0;
  let ended: TvmError | undefined;
  const transport = new LegacyTransport({ id, events: makeEventStore(eventBounds, budget), onClosed });

  async function deliver(message: Message, relatedRequestId?: MessageId): Promise<void> {
    try {
      const options = relatedRequestId === undefined ? {} : { relatedRequestId };
      await transport.send(message as JSONRPCMessage, options);
    } catch (error) {
      log.debug({ why: TvmError.from(error).message }, 'message to an MCP client lost');
    }
  }

  function requestFor(message: Message, about: MessageId | undefined): MessageId | undefined {
    if (about !== undefined && open.has(about)) return about;
    const requests = [...open.values()];
    if (!isRequest(message) && !isResponse(message)) {
      const { method, params } = message;
      if (/\/(list_changed|updated)$/.test(method)) return undefined;
      if (method === 'notifications/progress') {
        return requests.find((each) => metaOf(each.params).progressToken === params?.progressToken)?.id;
      }
    }
    return requests.length === 1 || listening === 0 ? requests.at(-1)?.id : undefined;
  }

  async function takeFromServer(message: Message, about?: MessageId): Promise<void> {
    if (!(await backlog.room(slowMs))) return cutOff();
    if (!isResponse(message)) return deliver(message, requestFor(message, about));
    if (open.delete(message.id)) await deliver(message);
  }

  /** The stream of the answer is open already: no client has to wait for a server without a sign of life. */
  async function answerInitialize(request: MessageId): Promise<void> {
    try {
      const { wire, answer } = await opened;
      wire.receive(takeFromServer);
      await takeFromServer(answer);
      if ('error' in answer) onClosed();
    } catch (thrown) {
      const why = TvmError.from(thrown);
      ended ??= why;
      if (open.delete(request)) await deliver(goneOf(request, why));
      child.end();
    }
  }

  async function send(message: Message): Promise<void> {
    try {
      (await opened).wire.send(message);
    } catch {
      // Why it was not opened is what the client is told as the answer to its first request.
    }
  }

  function cutOff(): void {
    child.end();
    void transport.close();
  }

  async function answerOpen(why: TvmError): Promise<void> {
    const left = [...open.keys()];
    open.clear();
    for (const each of left) await deliver(goneOf(each, why));
  }

  function takeFromClient(message: Message): void {
    if (isRequest(message)) {
      open.set(message.id, message);
      if (message.method === 'initialize') void answerInitialize(message.id);
      else void send(message);
      return;
    }
    void send(message);
    if (isResponse(message) || message.method !== 'notifications/cancelled') return;
    const cancelled = message.params?.requestId as MessageId;
    if (open.delete(cancelled)) transport.closeSSEStream(cancelled);
  }

  transport.onmessage = (message) => takeFromClient(message as Message);
  transport.onerror = (error) => log.debug({ why: error.message }, 'MCP connection');
  // Told as the answer to the client's first request; when that was refused, to nobody.
  opened.catch(() => undefined);
  void child.ended.then((why) => {
    ended ??= why;
    return answerOpen(why);
  });

  return {
    async handle(request, body) {
      if (ended && request.method !== 'DELETE') return goneResponse(ended);
      const double = isOpenAlready(body, open);
      if (double) return rpcErrorResponse(400, -32600, 'a request with this id is open already');
      const response = await transport.serve(request, body);
      if (request.method !== 'GET' || !response.ok) return backlog.watch(response);
      listening += 1;
      return backlog.watch(response, () => {
        listening -= 1;
      });
    },
    claim: (message) => transport.claim(message),
    get busy() {
      return open.size > 0 || listening > 0;
    },
    get ended() {
      return ended;
    },
    async close(why) {
      ended ??= why;
      if (why) await answerOpen(why);
      child.end();
      await transport.close();
    },
  };
}

function isOpenAlready(body: unknown, open: ReadonlyMap<MessageId, RpcRequest>): boolean {
  const messages = (Array.isArray(body) ? body : [body]) as { id?: MessageId; method?: string }[];
  return messages.some((message) => message?.method !== undefined && message.id !== undefined && open.has(message.id));
}

/** The connection is over: 404 is how a client learns that it has to initialize again. */
function goneResponse({ message, hint }: TvmError): Response {
  return rpcErrorResponse(404, -32001, `${message}. ${hint ?? ''} Initialize again to start it anew.`);
}
