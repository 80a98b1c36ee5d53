// A server of 2026-07-28 that looks like one of 2025-11-25: what it misses to answer is asked from the client by requests, and
// changes come without being listened for. Invariant: a request of the client is answered once, unless it was cancelled.
import { randomUUID } from 'node:crypto';
import {
  type ClientFacts,
  capabilitiesOf,
  changesOf,
  envelopeOf,
  legacyVersion,
  legacyVersions,
  serverInfoOf,
  toLegacyResult,
  withoutEnvelope,
} from './eras.ts';
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
import { makeMux } from './mux.ts';
import type { Receiver, Wire } from './wire.ts';

const mostRounds = 32;

/** What the client is answered when it initializes. */
export function initializeResult(discovered: Fields, requested: unknown): Fields {
  const { extensions: _extensions, tasks: _tasks, ...capabilities } = capabilitiesOf(discovered);
  const known = typeof requested === 'string' && legacyVersions.includes(requested);
  return {
    protocolVersion: known ? requested : legacyVersion,
    capabilities,
    serverInfo: serverInfoOf(discovered),
    ...(typeof discovered.instructions === 'string' && { instructions: discovered.instructions }),
  };
}

export function asLegacy(wire: Wire, discovered: Fields, client: ClientFacts): Wire {
  const mux = makeMux(wire);
  const cancels = new Map<MessageId, () => void>();
  const asked = new Map<MessageId, (response: RpcResponse) => void>();
  const watched = new Map<string, () => void>();
  let receiver: Receiver | undefined;
  let logLevel: unknown;
  let asks = 0;

  const emit = (message: Message, about?: MessageId) => receiver?.(message, about);
  const answer = (id: MessageId, result: Fields = {}) => emit(resultOf(id, result));

  /** Undefined when it was cancelled. */
  function exchange(request: RpcRequest, params: Fields): Promise<RpcResponse | undefined> {
    return new Promise((resolve) => {
      const _meta = { ...metaOf(params), ...envelopeOf(client, logLevel) };
      const cancel = mux.request(
        { ...request, params: { ...params, _meta } },
        { notify: (notification) => emit(plain(notification), request.id), respond: resolve },
      );
      cancels.set(request.id, () => {
        cancel();
        resolve(undefined);
      });
    });
  }

  async function call(request: RpcRequest): Promise<void> {
    let params: Fields = request.params ?? {};
    for (let round = 0; round < mostRounds; round += 1) {
      const response = await exchange(request, params);
      cancels.delete(request.id);
      if (!response) return;
      if ('error' in response) return void emit(response);
      const { resultType, inputRequests, requestState } = response.result;
      if (resultType !== 'input_required') return void answer(request.id, toLegacyResult(response.result));
      const answers = await ask(request.id, isFields(inputRequests) ? inputRequests : {});
      if (!isFields(answers)) return void emit(errorOf(request.id, codes.internal, answers));
      params = { ...request.params, inputResponses: answers, ...(requestState !== undefined && { requestState }) };
    }
    emit(errorOf(request.id, codes.internal, `the server asked more than ${mostRounds} times`));
  }

  /** What the client answered, or why it did not. */
  async function ask(about: MessageId, inputRequests: Fields): Promise<Fields | string> {
    const answers: Fields = {};
    const failures: string[] = [];
    await Promise.all(
      Object.entries(inputRequests).map(async ([key, wanted]) => {
        const response = await askOne(about, wanted);
        if ('error' in response) failures.push(`${key}: ${response.error.message}`);
        else answers[key] = response.result;
      }),
    );
    return failures.length > 0 ? `the client did not answer what the server asked: ${failures.join('; ')}` : answers;
  }

  function askOne(about: MessageId, wanted: unknown): Promise<RpcResponse> {
    asks += 1;
    const id = `ask-${asks}`;
    if (!isFields(wanted) || typeof wanted.method !== 'string') {
      return Promise.resolve(errorOf(id, codes.internal, 'the server asked nothing that can be asked'));
    }
    const { method } = wanted;
    const params = isFields(wanted.params) ? withElicitationId(wanted.params) : {};
    return new Promise((resolve) => {
      asked.set(id, resolve);
      void emit({ jsonrpc: '2.0', id, method, params }, about);
    });
  }

  function listen(notifications: Fields, onAnswer: (error?: RpcResponse) => void): () => void {
    const _meta = envelopeOf(client);
    const request: RpcRequest = {
      jsonrpc: '2.0',
      id: 0,
      method: 'subscriptions/listen',
      params: { notifications, _meta },
    };
    return mux.request(request, {
      notify(notification) {
        if (notification.method === 'notifications/subscriptions/acknowledged') return onAnswer();
        return emit(plain(notification));
      },
      respond: onAnswer,
    });
  }

  function subscribe({ id, params }: RpcRequest): void {
    const uri = String(params?.uri);
    if (watched.has(uri)) return void answer(id);
    let answered = false;
    const stop = listen({ resourceSubscriptions: [uri] }, (response) => {
      if (response) watched.delete(uri);
      if (answered) return;
      answered = true;
      emit(response && 'error' in response ? { ...response, id } : resultOf(id, {}));
    });
    watched.set(uri, stop);
  }

  const local: Record<string, (request: RpcRequest) => void> = {
    ping: ({ id }) => void answer(id),
    'logging/setLevel'({ id, params }) {
      logLevel = params?.level;
      void answer(id);
    },
    'resources/subscribe': subscribe,
    'resources/unsubscribe'({ id, params }) {
      const uri = String(params?.uri);
      watched.get(uri)?.();
      watched.delete(uri);
      void answer(id);
    },
  };

  function note({ method, params }: RpcNotification): void {
    if (method === 'notifications/cancelled') cancels.get(params?.requestId as MessageId)?.();
    if (method !== 'notifications/initialized') return;
    const changes = changesOf(discovered);
    if (Object.keys(changes).length > 0) listen(changes, () => {});
  }

  return {
    ended: wire.ended,
    end: wire.end,
    receive(next) {
      receiver = next;
    },
    send(message) {
      if (isResponse(message)) {
        asked.get(message.id)?.(message);
        asked.delete(message.id);
      } else if (!isRequest(message)) note(message);
      else if (Object.hasOwn(local, message.method)) local[message.method]?.(message);
      else void call(message);
    },
  };
}

const plain = ({ method, params }: RpcNotification) => notificationOf(method, params && withoutEnvelope(params));

/** The legacy era wants an id of an elicitation by URL. */
function withElicitationId(params: Fields): Fields {
  if (params.mode !== 'url' || params.elicitationId !== undefined) return params;
  return { ...params, elicitationId: randomUUID() };
}
