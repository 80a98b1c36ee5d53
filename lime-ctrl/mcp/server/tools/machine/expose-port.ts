// expose_port: a URL for a while, by which a browser or another program reaches a server that listens inside the machine.
import { longestPortUrlSeconds, portNumber } from '@tvm/api/rest/ports.ts';
import { z } from 'zod';
import { makePortUrl } from '../../../../ports/port-urls.ts';
import { defineTool, text } from '../../tool.ts';

export const exposePort = defineTool({
  name: 'expose_port',
  title: 'Get a URL for a port',
  description:
    'A URL for an HTTP server (WebSockets too) that listens on a port inside the machine, on 127.0.0.1 or 0.0.0.0. Whoever has the URL can use it until it expires, without a token. Pages run in a sandbox: relative links and scripts work, cookies and local storage do not.',
  scope: 'vm:admin',
  input: z.object({
    port: portNumber,
    ttl_seconds: z.int().min(10).max(longestPortUrlSeconds).optional().describe('Default: 900.'),
  }),
  output: z.object({
    url: z.string().describe('Ends with a slash; paths of the server follow.'),
    expires_at: z.string().describe('It is over earlier when the machine ends or starts anew.'),
  }),
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
  async run({ port, ttl_seconds: ttlSeconds }, { guest, deps, context }) {
    const { machine } = await guest.place();
    const base = context.url.replace(/\/sessions\/[^/]+\/mcp$/, '');
    const { namespace } = context.session;
    const request = { namespace, name: context.microVm, machine, port, ttlSeconds };
    const { url, expiresAtMs } = await makePortUrl(deps, base, request);
    const output = { url, expires_at: new Date(expiresAtMs).toISOString() };
    return { output, content: [text(`${url}\nuntil ${output.expires_at}`)] };
  },
});
