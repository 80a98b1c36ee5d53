// A client of a flintlock in memory: the same errors as over a wire, of calls as of what streams in.
import { type ConnectRouter, createRouterTransport, type Interceptor } from '@connectrpc/connect';
import { toConnectError } from '@tvm/api/rpc-errors.ts';
import { type FlintlockClient, flintlockClientOver } from '../flintlock/client.ts';

export function clientOfRoutes(routes: (router: ConnectRouter) => ConnectRouter): FlintlockClient {
  return flintlockClientOver(createRouterTransport(routes, { router: { interceptors: [throwConnectErrors] } }));
}

const throwConnectErrors: Interceptor = (next) => async (request) => {
  try {
    const response = await next(request);
    return response.stream ? { ...response, message: converted(response.message) } : response;
  } catch (error) {
    throw toConnectError(error);
  }
};

async function* converted<T>(messages: AsyncIterable<T>): AsyncIterable<T> {
  try {
    yield* messages;
  } catch (error) {
    throw toConnectError(error);
  }
}
