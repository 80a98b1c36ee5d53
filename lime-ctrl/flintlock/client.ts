// The RPC client of one flintlock. Invariant: what it throws is a TvmError with the node's own code, reason and hint.
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { type CallOptions, type Client, createClient, type Interceptor, type Transport } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { TvmError } from '@tvm/api/errors.ts';
import { Flintlock } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import { fromConnectError } from '@tvm/api/rpc-errors.ts';
import type { TlsMaterial } from '@tvm/kit/certificates/folder.ts';
import { makeSessionManager } from './session-manager.ts';

export type FlintlockClient = Client<typeof Flintlock>;

/** How this process proves itself to flintlocks, and how they do to it. */
export interface FlintlockTls {
  /** As it is now: read anew for each connection, since certificates are renewed. Throws when there is none. */
  material(): TlsMaterial;
  /** The name that every flintlock's certificate is for, whatever its address. */
  serverName: string;
}

export interface FlintlockConnection {
  client: FlintlockClient;
  /** Ends what is under way; nothing is answered any more. */
  close(): void;
}

/**
 * `address` is unix:/PATH or HOST:PORT; without `tls` cleartext. Connects when first used, and anew when a connection was
 * lost. `interceptors` see each call.
 */
export function connectFlintlock(
  address: string,
  tls?: FlintlockTls,
  interceptors: Interceptor[] = [],
): FlintlockConnection {
  const path = address.startsWith('unix:') ? address.slice('unix:'.length) : undefined;
  const secure = tls !== undefined && path === undefined;
  let socket: Socket | undefined;
  let closed = false;
  const createConnection = () => {
    socket = closed ? failed(notUsed()) : dial(address, path, secure ? tls : undefined);
    return socket;
  };
  const baseUrl = `${secure ? 'https' : 'http'}://${path ? 'localhost' : address}`;
  const pings = { pingIntervalMs: 10_000, pingTimeoutMs: 10_000 };
  const sessionManager = makeSessionManager(baseUrl, pings, { createConnection });
  const transport = createGrpcTransport({ baseUrl, acceptCompression: [], sessionManager, interceptors });
  return {
    client: flintlockClientOver(transport),
    close() {
      closed = true;
      socket?.destroy(notUsed());
    },
  };
}

function notUsed(): Error {
  return Object.assign(new Error('the node is no longer used'), { code: 'ECONNABORTED' });
}

function dial(address: string, path: string | undefined, tls: FlintlockTls | undefined): Socket {
  if (path) return connect(path);
  const { hostname, port } = new URL(`tcp://${address}`);
  const target = { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) };
  if (!tls) return connect(target);
  try {
    const { certificate, key, authorities } = tls.material();
    const own = { cert: certificate, key, ca: authorities, minVersion: 'TLSv1.3' as const };
    return connectTls({ ...target, ...own, servername: tls.serverName, ALPNProtocols: ['h2'] });
  } catch (error) {
    return failed(error as Error);
  }
}

/**
 * A connection that fails a moment later, as one does that cannot be made: the caller learns of it. The library takes a socket that
 * is destroyed already for connected, and its error then ends the process.
 */
function failed(error: Error): Socket {
  return connect({ host: 'nowhere.invalid', port: 1, lookup: (_host, _options, found) => found(error, []) });
}

type AnyMethod = (...args: unknown[]) => unknown;

/** The client over a transport, each method throwing TvmErrors, of the call as of what streams in. */
export function flintlockClientOver(transport: Transport): FlintlockClient {
  const client = createClient(Flintlock, transport) as unknown as Record<string, AnyMethod>;
  const methods = Flintlock.methods.map(({ localName, methodKind }) => {
    const call = client[localName] as AnyMethod;
    const streams = methodKind === 'server_streaming' || methodKind === 'bidi_streaming';
    const wrapped: AnyMethod = streams
      ? (...args) => converted(call(...args) as AsyncIterable<unknown>, signalOf(args))
      : (...args) =>
          (call(...args) as Promise<unknown>).catch((error) => {
            throw nodeError(error, signalOf(args));
          });
    return [localName, wrapped];
  });
  return Object.fromEntries(methods) as FlintlockClient;
}

function signalOf(args: unknown[]): AbortSignal | undefined {
  return (args[1] as CallOptions | undefined)?.signal;
}

async function* converted<T>(messages: AsyncIterable<T>, signal: AbortSignal | undefined): AsyncIterable<T> {
  try {
    yield* messages;
  } catch (error) {
    throw nodeError(error, signal);
  }
}

/** What the node said; a connection that cannot be made or broke is unavailable, whatever the library calls it. */
function nodeError(thrown: unknown, signal: AbortSignal | undefined): TvmError {
  const error = fromConnectError(thrown);
  if (signal?.aborted) return error;
  const broken = causeWithCode(error, (code) => /^(E[A-Z]+|ERR_(HTTP2|STREAM|SSL|TLS)_.*|.*CERT.*)$/.test(code));
  if (!broken && error.code !== 'canceled') return error;
  return new TvmError('unavailable', `the connection to the node broke: ${(broken ?? error).message}`, {
    cause: error,
    reason: 'NodeConnectionLost',
    hint: 'Try again; "vvm status" shows whether the node answers.',
  });
}

function causeWithCode(error: unknown, matches: (code: string) => boolean): Error | undefined {
  if (!(error instanceof Error)) return undefined;
  if (!(error instanceof TvmError) && 'code' in error && matches(String(error.code))) return error;
  return causeWithCode(error.cause, matches);
}
