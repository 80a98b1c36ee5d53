// Turns what handlers throw into errors of the wire, also in the middle of a stream.
import type { Interceptor } from '@connectrpc/connect';
import { toConnectError } from '@tvm/api/rpc-errors.ts';

export const errorInterceptor: Interceptor = (next) => async (request) => {
  try {
    const response = await next(request);
    return response.stream ? { ...response, message: withErrors(response.message) } : response;
  } catch (thrown) {
    throw toConnectError(thrown);
  }
};

async function* withErrors<T>(messages: AsyncIterable<T>): AsyncGenerator<T> {
  try {
    yield* messages;
  } catch (thrown) {
    throw toConnectError(thrown);
  }
}
