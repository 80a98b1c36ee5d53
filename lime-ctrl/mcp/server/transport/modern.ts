// Requests of revision 2026-07-28: each is served by a server of its own, and nothing is kept between two of them.
import {
  createMcpHandler,
  InMemoryServerEventBus,
  type McpServer,
  type ServerEventBus,
} from '@modelcontextprotocol/server';
import type { Clock } from '@tvm/kit/clock.ts';
import type { Logger } from '@tvm/kit/log.ts';
import { patientResponse } from './patient-response.ts';
import { withEnd } from './with-end.ts';

export interface ModernDeps {
  clock: Clock;
  log: Logger;
  buildServer(): Promise<McpServer>;
  /** Where changes are told that no request watches for; tests only. */
  changes?: ServerEventBus;
  /** Publishes changes of these resources until the signal aborts; called for a subscriptions/listen that was accepted. */
  watch(uris: string[], bus: ServerEventBus, ended: AbortSignal): void;
}

/** `stopped` ends what is under way. */
export async function serveModern(
  request: Request,
  body: unknown,
  { clock, log, buildServer, watch, changes }: ModernDeps,
  stopped: AbortSignal,
): Promise<Response> {
  const bus = new InMemoryServerEventBus();
  const method = methodOf(body);
  const handler = createMcpHandler(buildServer, {
    legacy: 'reject',
    bus,
    onerror: (error) => log.debug({ why: error.message, method }, 'MCP request'),
  });
  const stop = () => void handler.close();
  stopped.addEventListener('abort', stop, { once: true });
  const unsubscribe = changes?.subscribe((event) => bus.publish(event));
  const ended = new AbortController();
  const end = () => {
    stopped.removeEventListener('abort', stop);
    unsubscribe?.();
    ended.abort();
  };
  try {
    const gone = new AbortController();
    const answer = handler.fetch(withSignal(request, gone.signal), { parsedBody: body });
    const response = await patientResponse(answer, { clock, leave: () => gone.abort() });
    if (method === 'subscriptions/listen' && response.ok) watch(listenedUris(body), bus, ended.signal);
    return withEnd(response, end);
  } catch (error) {
    end();
    throw error;
  }
}

/** The body was read before: whoever gets the request is given it parsed. */
function withSignal({ url, method, headers, signal }: Request, gone: AbortSignal): Request {
  return new Request(url, { method, headers, body: '{}', signal: AbortSignal.any([signal, gone]) });
}

export function methodOf(body: unknown): string | undefined {
  const method = (body as { method?: unknown } | null)?.method;
  return typeof method === 'string' ? method : undefined;
}

/** The resources that a subscriptions/listen asks for; an unsound request was refused before. */
function listenedUris(body: unknown): string[] {
  const params = (body as { params?: { notifications?: { resourceSubscriptions?: unknown } } }).params;
  const uris = params?.notifications?.resourceSubscriptions;
  return Array.isArray(uris) ? uris.filter((uri) => typeof uri === 'string') : [];
}
