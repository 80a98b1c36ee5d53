// Which era a server speaks, found out by asking it. Invariant: a client gets a wire of its own era, whatever the server's is.
import { TvmError } from '@tvm/api/errors.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import { asLegacy, initializeResult } from './as-legacy.ts';
import { asModern } from './as-modern.ts';
import { type ClientFacts, type Era, envelopeOf, legacyVersion } from './eras.ts';
import {
  type Fields,
  isFields,
  isRequest,
  isResponse,
  type MessageId,
  notificationOf,
  type RpcRequest,
  type RpcResponse,
  resultOf,
} from './messages.ts';
import type { Wire } from './wire.ts';

/** A server may have to be loaded first, on a machine that is emulated and has much to do. */
const helloMs = 120_000;
/** Servers of the legacy era may be silent to a question that they do not know. */
const probeMs = 20_000;

export interface Opened {
  /** Of the client's era. */
  wire: Wire;
  /** The server's own. */
  era: Era;
}

/** For a client of 2025-11-25: also what it is answered to its `initialize`. Throws why the server cannot be used. */
export async function openLegacy(
  child: Wire,
  initialize: RpcRequest,
  clock: Clock,
): Promise<Opened & { answer: RpcResponse }> {
  const { id, params = {} } = initialize;
  const asker = makeAsker(child, clock);
  const answer = await asker.ask(initialize, helloMs);
  if ('result' in answer) return { wire: child, era: 'legacy', answer };
  const client: ClientFacts = {
    info: isFields(params.clientInfo) ? params.clientInfo : {},
    capabilities: isFields(params.capabilities) ? params.capabilities : {},
  };
  const discovered = await asker.ask(discoverOf(client), probeMs);
  if ('error' in discovered) return { wire: child, era: 'legacy', answer };
  const result = initializeResult(discovered.result, params.protocolVersion);
  return { wire: asLegacy(child, discovered.result, client), era: 'modern', answer: resultOf(id, result) };
}

/** For clients of 2026-07-28. `start` starts the server, again when the question was too much for it. Throws as above. */
export async function openModern(
  start: () => Promise<Wire>,
  client: ClientFacts,
  known: Era | undefined,
  clock: Clock,
): Promise<Opened> {
  const child = await start();
  const asker = makeAsker(child, clock);
  if (known !== 'legacy') {
    const probed = await probe(asker, client);
    if (probed === 'modern') return { wire: child, era: 'modern' };
    if (probed === 'ended') return openModern(start, client, 'legacy', clock);
  }
  const answer = await asker.ask(initializeOf(client), helloMs);
  // It was slow, not silent: what it said to the first question counts.
  const isModern = known !== 'legacy' && asker.discovered(discoverOf(client).id);
  if (isModern && 'error' in answer) return { wire: child, era: 'modern' };
  if (isModern) {
    child.end();
    return { wire: await start(), era: 'modern' };
  }
  if ('error' in answer) {
    child.end();
    throw new TvmError('unavailable', `the MCP server refuses to start: ${answer.error.message}`);
  }
  child.send(notificationOf('notifications/initialized'));
  return { wire: asModern(child, answer.result, clock), era: 'legacy' };
}

async function probe(asker: Asker, client: ClientFacts): Promise<'modern' | 'legacy' | 'ended'> {
  try {
    return isDiscovery(await asker.ask(discoverOf(client), probeMs)) ? 'modern' : 'legacy';
  } catch (thrown) {
    return TvmError.from(thrown).code === 'deadline_exceeded' ? 'legacy' : 'ended';
  }
}

const isDiscovery = (answer: RpcResponse) => 'result' in answer && Array.isArray(answer.result.supportedVersions);

const discoverOf = (client: ClientFacts): RpcRequest => ({
  jsonrpc: '2.0',
  id: 'discover',
  method: 'server/discover',
  params: { _meta: envelopeOf(client) },
});

const initializeOf = (client: ClientFacts): RpcRequest => ({
  jsonrpc: '2.0',
  id: 'initialize',
  method: 'initialize',
  params: { protocolVersion: legacyVersion, clientInfo: client.info, capabilities: legacyCapabilities(client) },
});

/** Extensions are the modern era's: a server of the legacy one knows none of them. */
function legacyCapabilities({ capabilities }: ClientFacts): Fields {
  const { extensions: _extensions, tasks: _tasks, ...rest } = capabilities;
  return rest;
}

interface Asker {
  /** The answer. Throws deadline_exceeded, or why the server ended. */
  ask(request: RpcRequest, timeoutMs: number): Promise<RpcResponse>;
  /** Whether this was answered with a discovery, be it late. */
  discovered(id: MessageId): boolean;
}

/** Takes what a server sends until somebody else does. */
function makeAsker(wire: Wire, clock: Clock): Asker {
  const answers = new Map<MessageId, RpcResponse>();
  let arrived = () => {};
  wire.receive((message) => {
    if (isRequest(message) && message.method === 'ping') wire.send(resultOf(message.id, {}));
    if (!isResponse(message)) return;
    answers.set(message.id, message);
    arrived();
  });

  async function answerTo(id: MessageId): Promise<RpcResponse> {
    for (;;) {
      const answer = answers.get(id);
      if (answer) return answer;
      await new Promise<void>((resolve) => {
        arrived = resolve;
      });
    }
  }

  return {
    async ask(request, timeoutMs) {
      const answered = new AbortController();
      wire.send(request);
      const late = clock.sleep(timeoutMs, answered.signal).then(() => {
        const seconds = timeoutMs / 1000;
        throw new TvmError('deadline_exceeded', `the MCP server did not answer ${request.method} in ${seconds} s`);
      });
      const gone = wire.ended.then((why) => {
        throw why;
      });
      try {
        return await Promise.race([answerTo(request.id), gone, late]);
      } finally {
        for (const other of [late, gone]) other.catch(() => undefined);
        answered.abort();
      }
    },
    discovered(id) {
      const answer = answers.get(id);
      return answer !== undefined && isDiscovery(answer);
    },
  };
}
