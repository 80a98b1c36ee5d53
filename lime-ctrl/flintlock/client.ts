// The RPC client of one flintlock. Invariant: what it throws is a TvmError with the node's own code, reason and hint.
import { connect } from 'node:net';
import { type Client, createClient, type Interceptor, type Transport } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { Flintlock } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import { fromConnectError } from '@tvm/api/rpc-errors.ts';

export type FlintlockClient = Client<typeof Flintlock>;

/** `address` is unix:/PATH or HOST:PORT. Connects when first used, and anew when a connection was lost. */
export function makeFlintlockClient(address: string): FlintlockClient {
  const path = address.startsWith('unix:') ? address.slice('unix:'.length) : undefined;
  return flintlockClientOver(
    createGrpcTransport({
      baseUrl: path ? 'http://localhost' : `http://${address}`,
      interceptors: [withTvmErrors],
      acceptCompression: [],
      pingIntervalMs: 10_000,
      pingTimeoutMs: 10_000,
      ...(path && { nodeOptions: { createConnection: () => connect(path) } }),
    }),
  );
}

/** For transports made elsewhere; they should have `withTvmErrors` among their interceptors. */
export function flintlockClientOver(transport: Transport): FlintlockClient {
  return createClient(Flintlock, transport);
}

/** Turns errors of calls, and of the messages that stream in, into TvmErrors. */
export const withTvmErrors: Interceptor = (next) => async (request) => {
  try {
    const response = await next(request);
    if (!response.stream) return response;
    return { ...response, message: convertErrors(response.message) };
  } catch (error) {
    throw fromConnectError(error);
  }
};

async function* convertErrors<T>(messages: AsyncIterable<T>): AsyncIterable<T> {
  try {
    yield* messages;
  } catch (error) {
    throw fromConnectError(error);
  }
}
