// A server of 2025-11-25 that looks like one of 2026-07-28: what it asks becomes an answer that says what is missing, and the
// client's next request brings that. Which call a question belongs to is not said in that era: it goes to the newest one that
// a client waits for. Invariants: what a client brings back is good for the call that it was given for, and for no other;
// a call that nobody comes back for is cancelled.
import { LOG_LEVEL_META_KEY } from '@modelcontextprotocol/server';
import type { Clock } from '@tvm/kit/clock.ts';
import { capabilitiesOf, modernVersion, removedMethods, toModernResult, withoutEnvelope } from './eras.ts';
import { addQuestion, type HeldCall, inputRequiredOf, makeHeldCall, takeAnswers } from './held-call.ts';
import { makeListeners } from './listeners.ts';
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
import type { Receiver, Wire } from './wire.ts';

const heldMs = 600_000;
const mostHeld = 64;
/** Servers that ask several things ask them at once: they become one answer. */
const gatherMs = 10;
const questions = new Set(['sampling/createMessage', 'elicitation/create', 'roots/list']);

export function asModern(wire: Wire, initialized: Fields, clock: Clock): Wire {
  const calls = new Map<MessageId, HeldCall>();
  const listeners = makeListeners(initialized);
  const serverInfo = isFields(initialized.serverInfo) ? initialized.serverInfo : {};
  const capabilities = capabilitiesOf(initialized);
  let receiver: Receiver | undefined;
  let logLevel: unknown;
  let ownIds = 0;

  const emit = (message: Message) => receiver?.(message);
  const complete = (method: string, id: MessageId, result: Fields) =>
    emit(resultOf(id, toModernResult(method, result, serverInfo)));

  function tell(method: string, params: Fields): void {
    ownIds += 1;
    wire.send({ jsonrpc: '2.0', id: `bridge-${ownIds}`, method, params });
  }

  function finish(call: HeldCall, response: RpcResponse): void {
    if (call.waiter === undefined) {
      call.answer = response;
      return;
    }
    calls.delete(call.id);
    if ('error' in response) void emit({ ...response, id: call.waiter, error: modernError(response.error) });
    else void complete(call.method, call.waiter, response.result);
  }

  async function hold(call: HeldCall): Promise<void> {
    await clock.sleep(gatherMs);
    if (call.waiter === undefined || call.pending.size === 0 || !calls.has(call.id)) return;
    const id = call.waiter;
    call.waiter = undefined;
    call.heldSinceMs = clock.now();
    void emit(resultOf(id, inputRequiredOf(call)));
  }

  function abandon(call: HeldCall, reason: string): void {
    calls.delete(call.id);
    for (const { id } of call.pending.values()) wire.send(errorOf(id, codes.internal, reason));
    wire.send(notificationOf('notifications/cancelled', { requestId: call.id, reason }));
  }

  function dropForgotten(): void {
    const held = [...calls.values()].filter(({ waiter }) => waiter === undefined);
    const before = clock.now() - heldMs;
    for (const [at, call] of held.entries()) {
      if (call.heldSinceMs < before || held.length - at > mostHeld) abandon(call, 'the client did not come back');
    }
  }

  function takeQuestion(request: RpcRequest): void {
    const all = [...calls.values()];
    const call = all.findLast(({ waiter }) => waiter !== undefined) ?? all.at(-1);
    if (request.method === 'ping') wire.send(resultOf(request.id, {}));
    else if (!questions.has(request.method)) wire.send(errorOf(request.id, codes.methodNotFound, 'Method not found'));
    else if (!call) wire.send(errorOf(request.id, codes.internal, 'no client waits for an answer now'));
    else {
      addQuestion(call, request);
      void hold(call);
    }
  }

  function takeNotification(notification: RpcNotification): void | Promise<void> {
    const { method, params = {} } = notification;
    if (listeners.isChange(method)) {
      for (const each of listeners.fanOut(notification)) void emit(each);
    } else if (method === 'notifications/progress') {
      const call = [...calls.values()].find(({ progressToken }) => progressToken === params.progressToken);
      if (call?.waiterToken === undefined || call.waiter === undefined) return;
      return emit(notificationOf(method, { ...params, progressToken: call.waiterToken }));
    } else if (method === 'notifications/cancelled') {
      for (const { pending } of calls.values()) {
        for (const [key, { id }] of pending) if (id === params.requestId) pending.delete(key);
      }
    } else return emit(notification);
  }

  function listen({ id, params }: RpcRequest): void {
    const added = listeners.add(id, params?.notifications);
    if (!added) return void emit(errorOf(id, codes.invalidParams, "Invalid params: 'notifications' is required"));
    void emit(added.acknowledged);
    for (const uri of added.watch) tell('resources/subscribe', { uri });
  }

  function resume(request: RpcRequest, state: string): void {
    const call = [...calls.values()].find((each) => each.state === state && each.waiter === undefined);
    if (!call || call.method !== request.method) {
      return void emit(errorOf(request.id, codes.invalidParams, 'Invalid or expired requestState'));
    }
    call.waiter = request.id;
    call.waiterToken = metaOf(request.params).progressToken;
    for (const answer of takeAnswers(call, request.params?.inputResponses)) wire.send(answer);
    if (call.answer) finish(call, call.answer);
    else void hold(call);
  }

  function begin(request: RpcRequest): void {
    const { requestState: _state, inputResponses: _responses, task: _task, ...params } = request.params ?? {};
    const wanted = metaOf(params)[LOG_LEVEL_META_KEY];
    if (wanted !== undefined && wanted !== logLevel && capabilities.logging) {
      logLevel = wanted;
      tell('logging/setLevel', { level: wanted });
    }
    calls.set(request.id, makeHeldCall(request, metaOf(params).progressToken));
    wire.send({ ...request, params: withoutEnvelope(params) });
  }

  function takeRequest(request: RpcRequest): void {
    dropForgotten();
    const { id, method, params } = request;
    const state = params?.requestState;
    if (method === 'server/discover') void complete(method, id, discoverResult(initialized));
    else if (method === 'subscriptions/listen') listen(request);
    else if (removedMethods.has(method)) void emit(errorOf(id, codes.methodNotFound, 'Method not found'));
    else if (typeof state === 'string') resume(request, state);
    else begin(request);
  }

  function cancel(requestId: unknown): void {
    const unwatched = listeners.remove(requestId as MessageId);
    for (const uri of unwatched ?? []) tell('resources/unsubscribe', { uri });
    const call = [...calls.values()].find(({ waiter }) => waiter !== undefined && waiter === requestId);
    if (call) abandon(call, 'the client is gone');
  }

  wire.receive((message) => {
    if (isRequest(message)) return takeQuestion(message);
    if (!isResponse(message)) return takeNotification(message);
    const call = calls.get(message.id);
    if (call) finish(call, message);
  });

  return {
    ended: wire.ended,
    end: wire.end,
    receive(next) {
      receiver = next;
    },
    send(message) {
      if (isRequest(message)) takeRequest(message);
      else if (!isResponse(message) && message.method === 'notifications/cancelled') cancel(message.params?.requestId);
    },
  };
}

function discoverResult(initialized: Fields): Fields {
  const { tasks: _tasks, ...capabilities } = capabilitiesOf(initialized);
  return {
    supportedVersions: [modernVersion],
    capabilities,
    ...(typeof initialized.instructions === 'string' && { instructions: initialized.instructions }),
  };
}

/** "Resource not found" has a code of its own only in the legacy era. */
const modernError = <E extends { code: number }>(error: E): E =>
  error.code === -32002 ? { ...error, code: codes.invalidParams } : error;
