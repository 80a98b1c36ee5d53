// An agent's client of revision 2025-11-25, whose requests go to the pod that the test says, as a Service would send them to any.
// Invariant: the server is called by the name in the session's URL, whichever pod is asked.
import { request as requestOf } from 'node:http';
import { Readable } from 'node:stream';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

export interface SessionClient extends AsyncDisposable {
  client: Client;
  /** From now on requests go to this address; streams that are open stay where they are. */
  turnTo(address: string): void;
  /** Where streams were opened, in their order. */
  streamsAt: readonly string[];
  /** Of resources that changed, as the client was told. */
  updated: readonly string[];
  /** Runs it in the machine: what it printed, or what the tool says of its failure. */
  run(command: string): Promise<string>;
}

/** Connects to the pod at `address`. */
export async function openSessionClient(url: string, token: string, address: string): Promise<SessionClient> {
  let at = address;
  const streamsAt: string[] = [];
  const updated: string[] = [];
  const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode: 'legacy' } });
  client.setNotificationHandler('notifications/resources/updated', ({ params }) => void updated.push(params.uri));
  const fetchThere = async (input: string | URL, init?: RequestInit) => {
    const where = at;
    const response = await ask(where, new URL(input), init);
    if (init?.method === 'GET' && response.status === 200) streamsAt.push(where);
    return response;
  };
  const requestInit = { headers: { authorization: `Bearer ${token}` } };
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit, fetch: fetchThere }));
  return {
    client,
    turnTo: (next) => {
      at = next;
    },
    streamsAt,
    updated,
    run: async (command) => {
      const result = await client.callTool({ name: 'run_command', arguments: { command } });
      const printed = result.structuredContent as { stdout?: string } | undefined;
      return printed?.stdout ?? JSON.stringify(result.content);
    },
    [Symbol.asyncDispose]: () => client.close(),
  };
}

/** As fetch does it, but that calls every server by the name of its address. */
async function ask(address: string, url: URL, init: RequestInit = {}): Promise<Response> {
  const { method, headers } = new Request(url, init);
  const { promise, resolve, reject } = Promise.withResolvers<Response>();
  const outgoing = requestOf(
    {
      host: address,
      port: url.port,
      path: url.pathname,
      method,
      headers: { ...Object.fromEntries(headers), host: url.host },
      agent: false,
      // That of a Request would follow this one only for as long as the Request is there.
      ...(init.signal && { signal: init.signal }),
    },
    (incoming) => {
      const { statusCode: status = 0, headersDistinct } = incoming;
      const fields = Object.entries(headersDistinct).map(([name, values = []]): [string, string] => [
        name,
        values.join(),
      ]);
      const body = status === 204 ? null : (Readable.toWeb(incoming) as ReadableStream<Uint8Array>);
      resolve(new Response(body, { status, headers: fields }));
    },
  );
  outgoing.on('error', reject);
  outgoing.end(typeof init.body === 'string' ? init.body : undefined);
  return await promise;
}
