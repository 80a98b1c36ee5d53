// Handlers of MCP requests for tests: they answer with what they were called with, and do what the body says.
import type { SessionContext } from '../mcp/contract.ts';
import type { GatewayHandlers } from '../mcp/gateway.ts';

export interface EchoHandlers extends GatewayHandlers {
  ended: string[];
  /** How many answers to the body "stream", which never end by themselves, are open. */
  streams: number;
}

export interface Echo {
  session: SessionContext['session'];
  url: string;
  requestUrl: string;
  scopes: string[];
  caller: string;
  headers: Record<string, string>;
  server?: string;
  body: string;
  /** With the body "machine": the uid of the machine, or what was wrong with it. */
  machine?: string;
  problem?: { code: string; reason: string | undefined; message: string; hint: string | undefined };
}

export function makeEchoHandlers(): EchoHandlers {
  const ended: string[] = [];
  const handlers: EchoHandlers = {
    ended,
    streams: 0,
    async endpoint(request, context) {
      const body = await request.text();
      return body === 'stream' ? endless(handlers) : echo(request, context, body);
    },
    bridge: async (request, context, server) => echo(request, context, await request.text(), server),
    transfer: async (_request, sealed) => Response.json({ sealed }),
    claim: () => false,
    release: async () => {},
    endSession: async (uid) => void ended.push(uid),
  };
  return handlers;
}

function endless(handlers: EchoHandlers): Response {
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      handlers.streams += 1;
      controller.enqueue(Buffer.from(': open\n\n'));
    },
    cancel() {
      handlers.streams -= 1;
    },
  });
  return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
}

async function echo(request: Request, context: SessionContext, body: string, server?: string): Promise<Response> {
  const { session, url, scopes, caller } = context;
  const answer: Echo = {
    session,
    url,
    requestUrl: request.url,
    scopes: [...scopes],
    caller,
    headers: Object.fromEntries(request.headers),
    ...(server !== undefined && { server }),
    body,
  };
  return Response.json(body === 'machine' ? { ...answer, ...(await machineOf(context)) } : answer);
}

async function machineOf(context: SessionContext): Promise<Partial<Echo>> {
  try {
    return { machine: (await context.machine()).machine.uid };
  } catch (error) {
    const { code, reason, message, hint } = error as NonNullable<Echo['problem']>;
    return { problem: { code, reason, message, hint } };
  }
}
