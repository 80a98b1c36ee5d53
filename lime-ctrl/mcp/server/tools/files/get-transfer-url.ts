// get_transfer_url: a URL for a while, for a file that is too large for a result, or that another program fetches or brings.
import { z } from 'zod';
import { statFile } from '../../../machine/files.ts';
import { sealTransfer, transfersPath } from '../../../transfers.ts';
import { absolutePath } from '../../file-view.ts';
import { defineTool, text } from '../../tool.ts';

export const getTransferUrl = defineTool({
  name: 'get_transfer_url',
  title: 'Get a URL for a file',
  description:
    'A URL to download a file of the machine (GET) or to upload one to it (PUT, up to 2 GiB). Whoever has the URL can use it until it expires, without a token.',
  scope: 'vm:files',
  input: z.object({
    path: absolutePath,
    direction: z.enum(['download', 'upload']),
    expires_seconds: z.int().min(10).max(3_600).default(300),
  }),
  output: z.object({
    url: z.string(),
    method: z.enum(['GET', 'PUT']),
    expires_at: z.string(),
    example: z.string().describe('As a command.'),
  }),
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: false },
  async run({ path, direction, expires_seconds }, { guest, deps, context, signal }) {
    const place = await guest.place();
    if (direction === 'download') await statFile(place, path, signal);
    const untilMs = deps.clock.now() + expires_seconds * 1000;
    const sealed = await sealTransfer(deps.seal, { uid: place.uid, path, direction, untilMs });
    const url = `${context.url.replace(/\/sessions\/[^/]+\/mcp$/, '')}${transfersPath}${sealed}`;
    const output = {
      url,
      method: direction === 'download' ? ('GET' as const) : ('PUT' as const),
      expires_at: new Date(untilMs).toISOString(),
      example: direction === 'download' ? `curl -o FILE '${url}'` : `curl -T FILE '${url}'`,
    };
    return { output, content: [text(`${output.method} ${url}\nuntil ${output.expires_at}`)] };
  },
});
