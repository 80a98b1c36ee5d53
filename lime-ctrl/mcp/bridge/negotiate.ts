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
  notificationOf,
  type RpcRequest,
  type RpcResponse,
  resultOf,
} from './messages.ts';
import type { Wire } from './wire.ts';

/** A server may have to be loaded first, on a machine that is emulated. */
const helloMs = 60_000;
/** Servers of the legacy era may be silent to a question that they do not know. */
const probeMs = 40_000;

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
  const answer = await ask(child, initialize, helloMs, clock);
  if ('result' in answer) return { wire: child, era: 'legacy', answer };
  const client: ClientFacts = {
    info: isFields(params.clientInfo) ? params.clientInfo : {},
    capabilities: isFields(params.capabilities) ? params.capabilities : {},
  };
  const discovered = await ask(child, discoverOf(client), probeMs, clock);
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
  let child = await start();
  if (known !== 'legacy') {
    const probed = await probe(child, client, clock);
    if (probed === 'modern') return { wire: child, era: 'modern' };
    if (probed === 'ended') child = await start();
  }
  const params = { protocolVersion: legacyVersion, clientInfo: client.info, capabilities: legacyCapabilities(client) };
  const answer = await ask(child, { jsonrpc: '2.0', id: 'initialize', method: 'initialize', params }, helloMs, clock);
  if ('error' in answer) {
    child.end();
    throw new TvmError('unavailable', `the MCP server refuses to start: ${answer.error.message}`);
  }
  child.send(notificationOf('notifications/initialized'));
  return { wire: asModern(child, answer.result, clock), era: 'legacy' };
}

async function probe(child: Wire, client: ClientFacts, clock: Clock): Promise<'modern' | 'legacy' | 'ended'> {
  try {
    const answer = await ask(child, discoverOf(client), probeMs, clock);
    return 'result' in answer && Array.isArray(answer.result.supportedVersions) ? 'modern' : 'legacy';
  } catch (thrown) {
    return TvmError.from(thrown).code === 'deadline_exceeded' ? 'legacy' : 'ended';
  }
}

const discoverOf = (client: ClientFacts): RpcRequest => ({
  jsonrpc: '2.0',
  id: 'discover',
  method: 'server/discover',
  params: { _meta: envelopeOf(client) },
});

/** Extensions are the modern era's: a server of the legacy one knows none of them. */
function legacyCapabilities({ capabilities }: ClientFacts): Fields {
  const { extensions: _extensions, tasks: _tasks, ...rest } = capabilities;
  return rest;
}

/** The answer to the one request that is sent now. Throws deadline_exceeded, or why the server ended. */
async function ask(wire: Wire, request: RpcRequest, timeoutMs: number, clock: Clock): Promise<RpcResponse> {
  const answered = new AbortController();
  const answer = new Promise<RpcResponse>((resolve) => {
    wire.receive((message) => {
      if (isResponse(message) && message.id === request.id) resolve(message);
      else if (isRequest(message) && message.method === 'ping') wire.send(resultOf(message.id, {}));
    });
  });
  wire.send(request);
  const late = clock.sleep(timeoutMs, answered.signal).then(() => {
    throw new TvmError('deadline_exceeded', `the MCP server did not answer ${request.method} in ${timeoutMs / 1000} s`);
  });
  const gone = wire.ended.then((why) => {
    throw why;
  });
  try {
    return await Promise.race([answer, gone, late]);
  } finally {
    late.catch(() => undefined);
    gone.catch(() => undefined);
    answered.abort();
  }
}
