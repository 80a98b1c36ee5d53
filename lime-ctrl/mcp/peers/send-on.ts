// Requests that belong to another replica are sent on to it. Invariants: a request is sent on once at most; the other replica
// checks it as if it came from the client; one that never got there is served here, one that may have is not done twice.
import { type IncomingMessage, request as requestOf } from 'node:http';
import { Readable } from 'node:stream';
import { TvmError } from '@tvm/api/errors.ts';
import { hopByHop } from '../../ports/headers.ts';
import type { Replicas } from '../../replicas/replicas.ts';
import { holderOf } from './holder.ts';

export type Peers = Pick<Replicas, 'own' | 'living' | 'urlOf' | 'subscribe'>;

export interface Peer {
  name: string;
  url: string;
}

/** On a request that was sent on. Whoever else sets it is served here, and nothing more. */
const sentOnHeader = 'x-tvm-sent-on';
const connectMs = 5_000;
/** This server's own business with its caller, or with the other replica. */
const notSentOn = new Set([...hopByHop, 'content-length', 'host', 'expect']);

/** The replica that a request belongs to; undefined: this one. `server`: an MCP server inside the machine. */
export function elsewhere(peers: Peers, headers: Headers, uid: string, server: string | undefined): Peer | undefined {
  const living = peers.living();
  if (living.length < 2 || headers.has(sentOnHeader)) return undefined;
  const id = headers.get('mcp-session-id') ?? (server === undefined ? undefined : JSON.stringify([uid, server]));
  const holder = id === undefined ? undefined : holderOf(id, living);
  const url = holder === undefined || holder === peers.own ? undefined : peers.urlOf(holder);
  return holder === undefined || url === undefined ? undefined : { name: holder, url };
}

/** Aborts when the replica does not live any more: one whose host lost its power closes no connection. Dispose of it. */
export function whileLiving(peers: Peers, { name }: Peer): { signal: AbortSignal } & Disposable {
  const gone = new AbortController();
  const stop = peers.subscribe(() => {
    if (!peers.living().includes(name)) gone.abort();
  });
  return { signal: gone.signal, [Symbol.dispose]: stop };
}

export interface SentOn {
  /** Where, with path and query. */
  url: URL;
  method: string;
  headers: Headers;
  /** The name that this server is called by. */
  host: string;
  body: Uint8Array;
  /** The caller left. */
  signal: AbortSignal;
  /** The other replica does not live any more. */
  gone: AbortSignal;
}

/** The other replica's answer; undefined when it could not be reached. Throws unavailable when it broke off. */
export function sendOn({ url, method, headers, host, body, signal, gone }: SentOn): Promise<Response | undefined> {
  const sent = { ...plain(headers), host, [sentOnHeader]: '1' };
  const length = method === 'GET' ? {} : { 'content-length': String(body.length) };
  return new Promise((resolve, reject) => {
    let connected = false;
    const either = AbortSignal.any([signal, gone]);
    const outgoing = requestOf(url, { method, headers: { ...sent, ...length }, agent: false, signal: either });
    const late = setTimeout(() => outgoing.destroy(new Error('no connection')), connectMs);
    outgoing.on('socket', (socket) =>
      socket.once('connect', () => {
        connected = true;
        clearTimeout(late);
      }),
    );
    outgoing.on('response', (incoming) => resolve(responseOf(incoming)));
    outgoing.on('error', (cause) => {
      clearTimeout(late);
      if (connected || signal.aborted) reject(brokenOff(cause));
      else resolve(undefined);
    });
    outgoing.end(method === 'GET' ? undefined : body);
  });
}

function responseOf(incoming: IncomingMessage): Response {
  const headers = new Headers();
  for (const [name, values = []] of Object.entries(incoming.headersDistinct)) {
    if (!notSentOn.has(name)) for (const value of values) headers.append(name, value);
  }
  const status = incoming.statusCode ?? 502;
  const bodiless = status === 204 || status === 304;
  if (bodiless) incoming.resume();
  return new Response(bodiless ? null : (Readable.toWeb(incoming) as ReadableStream<Uint8Array>), { status, headers });
}

function plain(headers: Headers): Record<string, string> {
  return Object.fromEntries([...headers].filter(([name]) => !notSentOn.has(name)));
}

function brokenOff(cause: Error): TvmError {
  return new TvmError('unavailable', 'the replica that holds this connection broke off', {
    cause,
    reason: 'ReplicaGone',
    hint: 'Whether the call was carried out is not known. Call again in a few seconds.',
    retryAfterSeconds: 5,
  });
}
