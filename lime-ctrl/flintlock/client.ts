// The RPC client of one flintlock. Invariant: what it throws is a TvmError with the node's own code, reason and hint.
import { connect } from 'node:net';
import { type CallOptions, type Client, createClient, type Transport } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { TvmError } from '@tvm/api/errors.ts';
import { Flintlock } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import { fromConnectError } from '@tvm/api/rpc-errors.ts';

export type FlintlockClient = Client<typeof Flintlock>;

/** `address` is unix:/PATH or HOST:PORT. Connects when first used, and anew when a connection was lost. */
export function makeFlintlockClient(address: string): FlintlockClient {
  const path = address.startsWith('unix:') ? address.slice('unix:'.length) : undefined;
  return flintlockClientOver(
    createGrpcTransport({
      baseUrl: path ? 'http://localhost' : `http://${address}`,
      acceptCompression: [],
      pingIntervalMs: 10_000,
      pingTimeoutMs: 10_000,
      ...(path && { nodeOptions: { createConnection: () => connect(path) } }),
    }),
  );
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
  const broken = causeWithCode(error, (code) => /^(E[A-Z]+|ERR_HTTP2_.*|ERR_STREAM_.*)$/.test(code));
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
