// Turns what handlers throw into errors of the wire, also in the middle of a stream.
import type { Interceptor } from '@connectrpc/connect';
import { toConnectError } from '@tvm/api/rpc-errors.ts';

/** `explain`: gives for what was thrown what says more, or the same. */
export function makeErrorInterceptor(explain: (thrown: unknown) => Promise<unknown>): Interceptor {
  async function* withErrors<T>(messages: AsyncIterable<T>): AsyncGenerator<T> {
    try {
      yield* messages;
    } catch (thrown) {
      throw toConnectError(await explain(thrown));
    }
  }

  return (next) => async (request) => {
    try {
      const response = await next(request);
      return response.stream ? { ...response, message: withErrors(response.message) } : response;
    } catch (thrown) {
      throw toConnectError(await explain(thrown));
    }
  };
}
