// stat_file, move_file, delete_file.
import { z } from 'zod';
import { operate, statFile } from '../../../machine/files.ts';
import { absolutePath, fileView, fileViewOf } from '../../file-view.ts';
import { defineTool, text } from '../../tool.ts';

export const statFileTool = defineTool({
  name: 'stat_file',
  title: 'Look at a file',
  description: 'What a path is: type, size, permissions, time. A symbolic link is not followed.',
  scope: 'vm:files',
  input: z.object({ path: absolutePath }),
  output: fileView,
  annotations: { readOnlyHint: true, openWorldHint: false },
  run: async ({ path }, { guest, signal }) => ({
    output: fileViewOf(await statFile(await guest.place(), path, signal)),
  }),
});

export const moveFileTool = defineTool({
  name: 'move_file',
  title: 'Move a file',
  description: 'Moves or renames a file or directory.',
  scope: 'vm:files',
  input: z.object({
    from: absolutePath,
    to: absolutePath,
    overwrite: z.boolean().default(false).describe('Whether what is there may be replaced.'),
  }),
  output: fileView,
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: false },
  async run(value, { guest, signal }) {
    const [moved] = await operate(await guest.place(), { case: 'move', value }, signal);
    const output = moved ? fileViewOf(moved) : fileViewOf(await statFile(await guest.place(), value.to, signal));
    return { output, content: [text(`${value.from} is now ${value.to}.`)] };
  },
});

export const deleteFileTool = defineTool({
  name: 'delete_file',
  title: 'Delete a file',
  description: 'Deletes a file, or with recursive a directory and all in it.',
  scope: 'vm:files',
  input: z.object({ path: absolutePath, recursive: z.boolean().default(false) }),
  output: z.object({ path: z.string(), deleted: z.boolean() }),
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
  async run({ path, recursive }, { guest, signal }) {
    await operate(await guest.place(), { case: 'remove', value: { path, recursive } }, signal);
    return { output: { path, deleted: true }, content: [text(`${path} is deleted.`)] };
  },
});
