// Many requests of many clients over the one connection of a server of 2026-07-28. Ids and progress tokens are changed on the
// way, since two clients may choose the same. Invariants: an answer goes to whom it is for and to nobody else; when the
// server ends, every open request is answered.
import { LOG_LEVEL_META_KEY, SUBSCRIPTION_ID_META_KEY } from '@modelcontextprotocol/server';
import type { TvmError } from '@tvm/api/errors.ts';
import {
  codes,
  errorOf,
  type Fields,
  isFields,
  isRequest,
  isResponse,
  type Message,
  type MessageId,
  metaOf,
  notificationOf,
  type RpcNotification,
  type RpcRequest,
  type RpcResponse,
  resultOf,
} from './messages.ts';
import type { Wire } from './wire.ts';

const mostOpen = 256;

export interface Answerer {
  /** Something before the answer. */
  notify(notification: RpcNotification): void | Promise<void>;
  /** Once, and last. */
  respond(response: RpcResponse): void;
}

export interface Mux {
  /** Answers through `to`, under the request's own id. Returns what cancels it: after that nothing is answered. */
  request(request: RpcRequest, to: Answerer): () => void;
  /** How many requests are open. */
  readonly open: number;
  readonly ended: Promise<TvmError>;
  end(): void;
}

interface Exchange {
  request: RpcRequest;
  to: Answerer;
}

export function makeMux(wire: Wire): Mux {
  const exchanges = new Map<number, Exchange>();
  let next = 1;

  function take(message: Message): void | Promise<void> {
    if (isRequest(message)) return answerServer(wire, message);
    if (!isResponse(message)) return route(message);
    const exchange = exchanges.get(Number(message.id));
    exchanges.delete(Number(message.id));
    exchange?.to.respond(withId(message, exchange.request.id));
  }

  function route(notification: RpcNotification): void | Promise<void> {
    const { method, params = {} } = notification;
    const subscription = metaOf(params)[SUBSCRIPTION_ID_META_KEY];
    if (subscription !== undefined) {
      const exchange = exchanges.get(Number(subscription));
      if (!exchange) return;
      const meta = { ...metaOf(params), [SUBSCRIPTION_ID_META_KEY]: exchange.request.id };
      return exchange.to.notify(notificationOf(method, { ...params, _meta: meta }));
    }
    if (method === 'notifications/progress') {
      const exchange = exchanges.get(Number(params.progressToken));
      const progressToken = metaOf(exchange?.request.params).progressToken;
      if (progressToken === undefined) return;
      return exchange?.to.notify(notificationOf(method, { ...params, progressToken }));
    }
    return newestFor(method)?.to.notify(notification);
  }

  /** A message does not say which request it belongs to: it goes to the newest that could have caused it. */
  function newestFor(method: string): Exchange | undefined {
    const candidates = [...exchanges.values()].filter(({ request }) =>
      method === 'notifications/message'
        ? metaOf(request.params)[LOG_LEVEL_META_KEY] !== undefined
        : request.method !== 'subscriptions/listen',
    );
    return candidates.at(-1);
  }

  wire.receive(take);
  void wire.ended.then((why) => {
    const open = [...exchanges.values()];
    exchanges.clear();
    for (const { request, to } of open) to.respond(goneOf(request.id, why));
  });

  return {
    request(request, to) {
      const id = next;
      next += 1;
      if (exchanges.size >= mostOpen) {
        to.respond(errorOf(request.id, codes.internal, `${mostOpen} requests to this server are open already`));
        return () => {};
      }
      exchanges.set(id, { request, to });
      wire.send({ ...request, id, ...withToken(request.params, id) });
      return () => {
        if (!exchanges.delete(id)) return;
        wire.send(notificationOf('notifications/cancelled', { requestId: id, reason: 'the client is gone' }));
      };
    },
    get open() {
      return exchanges.size;
    },
    ended: wire.ended,
    end: wire.end,
  };
}

/** How a request is answered whose server has ended. */
export function goneOf(id: MessageId, { message, hint, reason }: TvmError): RpcResponse {
  return errorOf(id, codes.serverGone, hint ? `${message}. ${hint}` : message, reason ? { reason } : undefined);
}

function answerServer(wire: Wire, { id, method }: RpcRequest): void {
  const answer =
    method === 'ping' ? resultOf(id, {}) : errorOf(id, codes.methodNotFound, `${method} is not sent in this revision`);
  wire.send(answer);
}

/** A listen's last answer names the subscription too. */
function withId(response: RpcResponse, id: MessageId): RpcResponse {
  if ('error' in response) return { ...response, id };
  const meta = metaOf(response.result);
  if (meta[SUBSCRIPTION_ID_META_KEY] === undefined) return { ...response, id };
  return resultOf(id, { ...response.result, _meta: { ...meta, [SUBSCRIPTION_ID_META_KEY]: id } });
}

function withToken(params: Fields | undefined, progressToken: number): { params?: Fields } {
  if (!params) return {};
  if (!isFields(params._meta) || params._meta.progressToken === undefined) return { params };
  return { params: { ...params, _meta: { ...params._meta, progressToken } } };
}
