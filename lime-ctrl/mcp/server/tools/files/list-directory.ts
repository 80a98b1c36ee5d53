// list_directory: what is in a folder, in pages.
import { z } from 'zod';
import { listFiles } from '../../../machine/files.ts';
import { absolutePath, type FileView, fileView, fileViewOf } from '../../file-view.ts';
import { pageOf } from '../../paging.ts';
import { defineTool, text } from '../../tool.ts';

export const listDirectoryTool = defineTool({
  name: 'list_directory',
  title: 'List a directory',
  description: 'What is in a directory, and with depth in those below it, sorted by path.',
  scope: 'vm:files',
  input: z.object({
    path: absolutePath,
    depth: z.int().min(1).max(16).default(1),
    limit: z.int().min(1).max(1_000).default(200),
    cursor: z.string().max(64).optional().describe('next_cursor of the page before.'),
  }),
  output: z.object({ entries: z.array(fileView), total: z.int(), next_cursor: z.string().optional() }),
  annotations: { readOnlyHint: true, openWorldHint: false },
  async run({ path, depth, limit, cursor }, { guest, signal }) {
    const files = await listFiles(await guest.place(), path, depth, signal);
    const { items, nextCursor } = pageOf(files, cursor, limit);
    const entries = items.map(fileViewOf);
    const more = nextCursor === undefined ? '' : `\n(${files.length} in all; go on with cursor ${nextCursor})`;
    return {
      output: { entries, total: files.length, ...(nextCursor !== undefined && { next_cursor: nextCursor }) },
      content: [text(entries.map(lineOf).join('\n') + more || '(empty)')],
    };
  },
});

const marks = { file: '', directory: '/', symlink: '@', other: '?' };

function lineOf({ path, type, size }: FileView): string {
  return type === 'file' ? `${path} ${size}` : `${path}${marks[type]}`;
}
