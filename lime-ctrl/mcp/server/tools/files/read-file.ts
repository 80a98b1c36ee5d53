// read_file: a part of a file, as text, as a picture, or as base64.
import type { ContentBlock } from '@modelcontextprotocol/server';
import { TvmError } from '@tvm/api/errors.ts';
import { z } from 'zod';
import { readFile, statFile } from '../../../machine/files.ts';
import { cutAtEnd, isShownImage, mimeTypeOf, textOf } from '../../file-content.ts';
import { absolutePath } from '../../file-view.ts';
import { defineTool, text } from '../../tool.ts';

const defaultBytes = 65_536;
const maxBytes = 1_048_576;

export const readFileTool = defineTool({
  name: 'read_file',
  title: 'Read a file',
  description:
    'Reads a part of a file: text as it is, pictures as pictures, other bytes as base64. Go on at next_offset for more. For large files use get_transfer_url.',
  scope: 'vm:files',
  input: z.object({
    path: absolutePath,
    offset: z.int().min(0).default(0).describe('In bytes.'),
    limit: z.int().min(1).max(maxBytes).default(defaultBytes).describe('In bytes; a picture is always whole.'),
  }),
  output: z.object({
    path: z.string(),
    size: z.int(),
    offset: z.int(),
    bytes: z.int().describe('How many are here.'),
    encoding: z.enum(['utf-8', 'base64', 'image']),
    mime_type: z.string(),
    content: z.string().optional().describe('Not of a picture, which is in the content of the result.'),
    next_offset: z.int().optional().describe('Where it goes on.'),
  }),
  annotations: { readOnlyHint: true, openWorldHint: false },
  async run({ path, offset, limit }, { guest, signal }) {
    const place = await guest.place();
    const image = isShownImage(mimeTypeOf(path, false));
    if (image) await checkWhole(Number((await statFile(place, path, signal)).size), path);
    const wanted = image ? { offset: 0, limit: maxBytes } : { offset, limit };
    const { info, bytes } = await readFile(place, path, wanted, signal);
    const size = Number(info.size);
    const facts = { path, size, offset: wanted.offset };
    if (image) {
      const mimeType = mimeTypeOf(path, false);
      const picture: ContentBlock = { type: 'image', data: bytes.toString('base64'), mimeType };
      return {
        output: { ...facts, bytes: bytes.length, encoding: 'image' as const, mime_type: mimeType },
        content: [picture],
      };
    }
    const content = textOf(bytes);
    const cut = content === undefined ? 0 : cutAtEnd(bytes);
    const end = offset + bytes.length - cut;
    return {
      output: {
        ...facts,
        bytes: bytes.length - cut,
        encoding: content === undefined ? ('base64' as const) : ('utf-8' as const),
        mime_type: mimeTypeOf(path, content !== undefined),
        content: content ?? bytes.toString('base64'),
        ...(end < size && bytes.length > cut && { next_offset: end }),
      },
      content: [text(content ?? bytes.toString('base64'))],
    };
  },
});

async function checkWhole(size: number, path: string): Promise<void> {
  if (size <= maxBytes) return;
  throw new TvmError('resource_exhausted', `the picture ${path} has ${size} bytes, ${maxBytes} are shown at most`, {
    hint: 'Make a smaller one of it, or fetch it with get_transfer_url.',
  });
}
