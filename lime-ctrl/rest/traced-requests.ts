// Spans of requests over HTTP: one that says which trace it belongs to is part of that, any other begins one.
// Invariant: what is told of a request is its route, not its path or query.
import type { IncomingMessage } from 'node:http';
import type { Span, Tracing } from '@tvm/kit/tracing/tracing.ts';
import type { Context, Next } from 'hono';
import { matchedRoutes } from 'hono/route';
import type { AppEnv } from './endpoint.ts';

/** The span of a request lasts until its answer has been sent. */
export function traceRequests(tracing: Tracing) {
  return async (context: Context<AppEnv>, next: Next): Promise<void> => {
    const { method } = context.req;
    const attributes = { 'http.request.method': method };
    const span = tracing.begin(method, {
      kind: 'server',
      root: true,
      attributes,
      from: (name) => context.req.header(name),
    });
    await span.in(next);
    const route = matchedRoutes(context).findLast(({ path }) => !path.includes('*'))?.path;
    if (route !== undefined) {
      span.rename(`${method} ${route}`);
      span.set({ 'http.route': route });
    }
    span.set({ 'http.response.status_code': context.res.status });
    const { outgoing } = context.env;
    if (outgoing.closed) span.end();
    else outgoing.once('close', () => span.end());
  };
}

export function beginUpgrade(tracing: Tracing, { headers }: IncomingMessage): Span {
  const from = (name: string) => {
    const value = headers[name];
    return Array.isArray(value) ? value[0] : value;
  };
  const attributes = { 'http.request.method': 'GET', 'network.protocol.name': 'websocket' };
  return tracing.begin('CONNECT', { kind: 'server', root: true, attributes, from });
}
