// Spans of RPC, on both sides of it: the caller's header says what the callee's spans belong to.
import type { Interceptor } from '@connectrpc/connect';
import { itemsInSpan, type Tracing } from './tracing.ts';

/** Calls that are made as part of a trace are spans, and tell the callee so. */
export function tracedCalls(tracing: Tracing): Interceptor {
  return interceptor(tracing, 'client');
}

/** Calls whose caller traces them are spans. */
export function tracedHandlers(tracing: Tracing): Interceptor {
  return interceptor(tracing, 'server');
}

function interceptor(tracing: Tracing, kind: 'client' | 'server'): Interceptor {
  return (next) => async (request) => {
    const { service, method, header } = request;
    const attributes = { 'rpc.system': 'grpc', 'rpc.service': service.typeName, 'rpc.method': method.name };
    const from = kind === 'server' ? { from: (name: string) => header.get(name) } : {};
    const span = tracing.begin(`${service.typeName}/${method.name}`, { kind, attributes, ...from });
    if (kind === 'client') for (const [name, value] of Object.entries(span.headers())) header.set(name, value);
    try {
      const response = await span.in(() => next(request));
      if (!response.stream) {
        span.end();
        return response;
      }
      // A caller that has what it wants cancels; the library does not tell the stream so.
      request.signal.addEventListener('abort', () => span.end(), { once: true });
      return { ...response, message: itemsInSpan(span, response.message) };
    } catch (error) {
      span.end(error);
      throw error;
    }
  };
}
