// write_file: a whole file, or more at its end.
import { TvmError } from '@tvm/api/errors.ts';
import { z } from 'zod';
import { writeFile } from '../../../machine/files.ts';
import { absolutePath, fileView, fileViewOf } from '../../file-view.ts';
import { defineTool, text } from '../../tool.ts';

const maxChars = 2_796_204;

export const writeFileTool = defineTool({
  name: 'write_file',
  title: 'Write a file',
  description: 'Writes a file, making its folders. Up to 2 MiB; for more use append, or get_transfer_url.',
  scope: 'vm:files',
  input: z.object({
    path: absolutePath,
    content: z.string().max(maxChars),
    encoding: z.enum(['utf-8', 'base64']).default('utf-8'),
    append: z.boolean().default(false),
    mode: z
      .string()
      .regex(/^0?[0-7]{3,4}$/)
      .optional()
      .describe('Permission bits in octal. Default: 0644, or unchanged.'),
  }),
  output: fileView,
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
  async run({ path, content, encoding, append, mode }, { guest, signal }) {
    const bytes = bytesOf(content, encoding);
    const options = { append, makeParents: true, ...(mode !== undefined && { mode: Number.parseInt(mode, 8) }) };
    const written = fileViewOf(await writeFile(await guest.place(), path, bytes, options, signal));
    return { output: written, content: [text(`Wrote ${bytes.length} bytes; ${path} has ${written.size}.`)] };
  },
});

function bytesOf(content: string, encoding: 'utf-8' | 'base64'): Buffer {
  if (encoding === 'utf-8') return Buffer.from(content);
  if (/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(content)) return Buffer.from(content, 'base64');
  throw new TvmError('invalid_argument', 'the content is no base64');
}
