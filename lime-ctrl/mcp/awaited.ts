// Requests beyond the limits of a session that are taken all the same, for somebody waits for them: a client that calls too much loses
// calls, but not its answer to a question, nor the cancellation of a call. Invariant: one for each request that is open, no more;
// what is looked at to find that out is small, and few at once.
import { readRequestBody } from '@modelcontextprotocol/server';
import { concludesAnother } from './server/transport/open-exchanges.ts';
import type { SessionLimits, Use } from './session-limits.ts';

const maxBytes = 65_536;

/** Where a request of a session goes; `server`: an MCP server inside the machine. */
export interface Destination {
  uid: string;
  server: string | undefined;
}

/** Whether a connection of 2025-11-25 waits for this message of its client. True once for each that it waits for. */
export type Claim = (to: Destination, connectionId: string, message: unknown) => boolean;

export interface Admitted {
  use: Use;
  /** With its body, which may have been read from the one that was given. */
  request: Request;
}

/** `isHere`: its connection is held by this replica; the one that holds it asks again. Throws resource_exhausted. */
export async function admit(
  { limits, claim }: { limits: SessionLimits; claim: Claim },
  request: Request,
  to: Destination & { isHere: boolean },
): Promise<Admitted> {
  try {
    return { use: limits.begin(to.uid), request };
  } catch (refusal) {
    const id = request.headers.get('mcp-session-id');
    const use = request.method === 'POST' && id !== null ? limits.look(to.uid) : undefined;
    if (!use || id === null) throw refusal;
    const text = await smallBody(request);
    const message = parsed(text);
    if (to.isHere ? claim(to, id, message) : concludesAnother(message))
      return { use, request: withBody(request, text) };
    use.end();
    throw refusal;
  }
}

/** Empty when it is large, or its client left. */
async function smallBody(request: Request): Promise<string> {
  if (Number(request.headers.get('content-length') ?? 0) > maxBytes) return '';
  try {
    const body = await readRequestBody(request, maxBytes);
    return body.tooLarge ? '' : body.text;
  } catch {
    return '';
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function withBody({ url, method, headers, signal }: Request, body: string): Request {
  return new Request(url, { method, headers, signal, body });
}
