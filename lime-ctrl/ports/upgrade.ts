// A WebSocket between a caller and a server inside a machine. Invariant: it is opened by the guest's own answer; from then on
// bytes go through at each side's pace until either ends or the caller may call no longer.
import { type IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { TvmError } from '@tvm/api/errors.ts';
import { askGuest, type PortTarget } from './ask-guest.ts';
import { headersFromGuest, pairsOf } from './headers.ts';

const maxRefusalBytes = 65_536;

/** Throws what dialling throws, unavailable for what is no answer; nothing was said to the caller then. */
export async function relayUpgrade(
  target: PortTarget,
  caller: { request: IncomingMessage; socket: Duplex; head: Buffer },
  signal: AbortSignal,
): Promise<void> {
  const { request, socket, head } = caller;
  if (request.headers.upgrade?.toLowerCase() !== 'websocket') {
    throw new TvmError('invalid_argument', `an upgrade to ${request.headers.upgrade} is not passed on`);
  }
  const gone = new AbortController();
  socket.once('close', () => gone.abort());
  const ended = AbortSignal.any([signal, gone.signal]);
  const ask = { method: 'GET', headers: pairsOf(request.rawHeaders), hasBody: false, upgrade: true, signal: ended };
  const { outgoing, answered } = await askGuest(target, ask);
  outgoing.end();
  const got = await answered;
  const headers = headersFromGuest(pairsOf(got.answer.rawHeaders), target);
  if (!('upgraded' in got)) {
    await refuse(caller, got.answer, headers);
    return;
  }
  const opening = { connection: 'Upgrade', upgrade: 'websocket' };
  await answer(caller, 101, [...headers, ...Object.entries(opening)]);
  if (head.length > 0) socket.unshift(head);
  if (got.head.length > 0) got.upgraded.unshift(got.head);
  ended.addEventListener('abort', () => socket.destroy());
  // How either side ended is for the protocol that they speak.
  await pipeline(socket, got.upgraded, socket).catch(() => undefined);
  got.upgraded.destroy();
  socket.destroy();
}

type Caller = { request: IncomingMessage; socket: Duplex };
type Pairs = ReturnType<typeof headersFromGuest>;

/** The guest's refusal, with as much of its words as is reasonable. */
async function refuse(caller: Caller, refusal: IncomingMessage, headers: Pairs): Promise<void> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of refusal) {
    parts.push(part);
    size += part.length;
    if (size > maxRefusalBytes) break;
  }
  const body = Buffer.concat(parts).subarray(0, maxRefusalBytes);
  const kept = headers.filter(([name]) => name !== 'content-length');
  const length: [string, string] = ['content-length', String(body.length)];
  await answer(caller, refusal.statusCode ?? 502, [...kept, length, ['connection', 'close']], body);
  caller.socket.end();
}

/** Says the head of an answer on a socket that the HTTP server has given up. */
function answer({ request, socket }: Caller, status: number, headers: Pairs, body?: Buffer): Promise<void> {
  const response = new ServerResponse(request);
  response.assignSocket(socket as never);
  for (const [name, value] of headers) response.appendHeader(name, value);
  response.writeHead(status);
  return new Promise((resolve, reject) => {
    response.once('close', () => reject(new TvmError('canceled', 'the caller went away')));
    response.end(body, () => {
      response.detachSocket(socket as never);
      resolve();
    });
  });
}
