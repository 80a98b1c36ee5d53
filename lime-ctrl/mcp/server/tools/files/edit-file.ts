// edit_file: exact replacements in a text file. Invariant: all of them are made or none.
import { TvmError } from '@tvm/api/errors.ts';
import { z } from 'zod';
import { readFile, writeFile } from '../../../machine/files.ts';
import { textOf } from '../../file-content.ts';
import { absolutePath } from '../../file-view.ts';
import { defineTool, text } from '../../tool.ts';

const maxBytes = 2_097_152;

const edit = z.object({
  old_text: z.string().min(1).max(1_048_576).describe('Exactly as it stands in the file, with its white space.'),
  new_text: z.string().max(1_048_576),
  replace_all: z.boolean().default(false).describe('Every occurrence. Default: there must be exactly one.'),
});

export const editFileTool = defineTool({
  name: 'edit_file',
  title: 'Edit a file',
  description: 'Replaces exact pieces of text in a file, one after the other. Changes nothing when one is not found.',
  scope: 'vm:files',
  input: z.object({ path: absolutePath, edits: z.array(edit).min(1).max(100) }),
  output: z.object({ path: z.string(), replacements: z.int(), size: z.int() }),
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: false },
  async run({ path, edits }, { guest, signal }) {
    const place = await guest.place();
    const { info, bytes } = await readFile(place, path, { offset: 0, limit: maxBytes }, signal);
    const before = Number(info.size) <= maxBytes ? textOf(bytes) : undefined;
    if (before === undefined) {
      throw new TvmError('failed_precondition', `${path} is no text file of at most ${maxBytes} bytes`, {
        hint: 'Use write_file, or a program with run_command.',
      });
    }
    const { after, replacements } = applyEdits(path, before, edits);
    const written = await writeFile(place, path, Buffer.from(after), {}, signal);
    const output = { path, replacements, size: Number(written.size) };
    return { output, content: [text(`${replacements} replacements in ${path}.`)] };
  },
});

/** Throws not_found or failed_precondition that says which edit does not fit. */
export function applyEdits(
  path: string,
  before: string,
  edits: z.output<typeof edit>[],
): { after: string; replacements: number } {
  let after = before;
  let replacements = 0;
  for (const [at, { old_text, new_text, replace_all }] of edits.entries()) {
    const pieces = after.split(old_text);
    const count = pieces.length - 1;
    const which = `edit ${at + 1}: old_text`;
    if (count === 0) {
      throw new TvmError('not_found', `${which} is not in ${path}`, {
        hint: 'Read the file again: nothing was changed.',
      });
    }
    if (count > 1 && !replace_all) {
      throw new TvmError('failed_precondition', `${which} is ${count} times in ${path}`, {
        hint: 'Give more of what is around it, or replace_all. Nothing was changed.',
      });
    }
    after = pieces.join(new_text);
    if (after.length > maxBytes) throw new TvmError('resource_exhausted', `${path} would become too large to edit`);
    replacements += count;
  }
  return { after, replacements };
}
