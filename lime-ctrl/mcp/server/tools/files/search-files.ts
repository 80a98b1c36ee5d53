// search_files: files by name, or lines by what they say, found by the machine's own find and grep. Invariant: pattern and path
// are arguments, never parts of a script.
import { randomUUID } from 'node:crypto';
import { TvmError } from '@tvm/api/errors.ts';
import { z } from 'zod';
import { noInput, startProcess } from '../../../machine/processes.ts';
import { followToEnd } from '../../../machine/run-process.ts';
import { absolutePath } from '../../file-view.ts';
import { defineTool, text } from '../../tool.ts';

const timeoutMs = 60_000;
const maxLineLength = 400;
const maxOutputBytes = 2_097_152;

const match = z.object({ path: z.string(), line: z.int().optional(), text: z.string().optional() });

export const searchFilesTool = defineTool({
  name: 'search_files',
  title: 'Search files',
  description:
    'Finds lines that match a regular expression (content), or files by name. With both: such lines in files of such names.',
  scope: 'vm:files',
  input: z
    .object({
      path: absolutePath.describe('Where to look, and below.'),
      content: z.string().min(1).max(4_096).optional().describe('An extended regular expression.'),
      name: z.string().min(1).max(256).optional().describe('A pattern such as *.py.'),
      ignore_case: z.boolean().default(false),
      max_results: z.int().min(1).max(1_000).default(100),
    })
    .refine(({ content, name }) => content !== undefined || name !== undefined, 'give content, name, or both'),
  output: z.object({ matches: z.array(match), truncated: z.boolean() }),
  annotations: { readOnlyHint: true, openWorldHint: false },
  async run({ max_results, ...search }, { guest, signal }) {
    const argv = search.content === undefined ? findArgv(search) : grepArgv(search, max_results);
    const process = { id: randomUUID(), argv, timeoutMs, cwd: '/' };
    const ended = await followToEnd(startProcess(await guest.place(), process, noInput(), signal), {
      maxBytes: maxOutputBytes,
    });
    const failed = search.content === undefined ? ended.stdout.text === '' && ended.exitCode !== 0 : ended.exitCode > 1;
    if (failed && ended.stdout.text === '') {
      throw new TvmError('failed_precondition', `the search failed: ${ended.stderr.text.slice(0, 1_000).trim()}`);
    }
    const lines = ended.stdout.text.split('\n').filter((line) => line !== '');
    const matches = lines.slice(0, max_results).map(search.content === undefined ? (path) => ({ path }) : matchOf);
    const truncated = lines.length > max_results || ended.stdout.truncated || ended.timedOut;
    const shown = lines.slice(0, max_results).map((line) => line.slice(0, maxLineLength));
    return { output: { matches, truncated }, content: [text(shown.join('\n') || 'Nothing found.')] };
  },
});

interface Search {
  path: string;
  content?: string | undefined;
  name?: string | undefined;
  ignore_case: boolean;
}

function findArgv({ path, name = '*', ignore_case }: Search): string[] {
  return ['find', path, ignore_case ? '-iname' : '-name', name];
}

function grepArgv({ path, content = '', name, ignore_case }: Search, max: number): string[] {
  const flags = ['-r', '-n', '-I', '-H', '-E', '-m', String(max), ...(ignore_case ? ['-i'] : [])];
  return ['grep', ...flags, ...(name === undefined ? [] : [`--include=${name}`]), '-e', content, '--', path];
}

function matchOf(line: string): z.infer<typeof match> {
  const [, path = line, number = '0', found = ''] = /^(.*?):(\d+):(.*)$/.exec(line) ?? [];
  return { path, line: Number(number), text: found.slice(0, maxLineLength) };
}
