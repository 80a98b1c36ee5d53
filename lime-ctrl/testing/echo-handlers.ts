// Handlers of MCP requests for tests: they answer with what they were called with, and do as the path of a body says.

import type { SessionContext } from '../mcp/contract.ts';
import type { GatewayHandlers } from '../mcp/gateway.ts';

export interface EchoHandlers extends GatewayHandlers {
  ended: string[];
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
  return {
    ended,
    endpoint: (request, context) => echo(request, context),
    bridge: (request, context, server) => echo(request, context, server),
    endSession: async (uid) => void ended.push(uid),
  };
}

async function echo(request: Request, context: SessionContext, server?: string): Promise<Response> {
  const { session, url, scopes, caller } = context;
  const body = await request.text();
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
