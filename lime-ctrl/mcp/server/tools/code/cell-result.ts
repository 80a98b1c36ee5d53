// What came of a cell: as its driver wrote it down in the machine, checked and bounded, and as a client is told of it.
import type { ContentBlock } from '@modelcontextprotocol/server';
import { z } from 'zod';
import type { Captured } from '../../../machine/capture.ts';

const maxText = 262_144;
const maxBinary = 5_592_406;
const shortText = z.string().max(maxText);

const forms = z.object({
  text: shortText.optional(),
  html: shortText.optional(),
  markdown: shortText.optional(),
  svg: shortText.optional(),
  latex: shortText.optional(),
  png: z.base64().max(maxBinary).nullish(),
  jpeg: z.base64().max(maxBinary).nullish(),
});

/** As drivers write it. */
export const cellOutcome = z.object({
  execution_count: z.int().min(0),
  exit_code: z.int().optional(),
  error: z.object({ name: shortText, value: shortText, traceback: shortText }).optional(),
  results: z.array(forms).max(20),
});
export type CellOutcome = z.output<typeof cellOutcome>;

export const cellView = z.object({
  language: z.string(),
  context: z.string(),
  execution_count: z.int().optional(),
  stdout: z.string(),
  stderr: z.string(),
  results: z
    .array(
      z.object({
        text: z.string().optional(),
        html: z.string().optional(),
        markdown: z.string().optional(),
        svg: z.string().optional(),
        latex: z.string().optional(),
        image: z.string().optional().describe('Its type; the picture itself is in the content.'),
      }),
    )
    .describe('The value of the last expression, what display() was given, and figures.'),
  error: z
    .object({ name: z.string(), value: z.string(), traceback: z.string() })
    .optional()
    .describe('What the code raised.'),
  exit_code: z.int().optional().describe('Of bash.'),
  timed_out: z.boolean(),
  context_lost: z.boolean().describe('The context ended: variables in it are gone.'),
  truncated: z.boolean(),
});
export type CellView = z.output<typeof cellView>;

export interface CellEnd {
  outcome: CellOutcome | undefined;
  stdout: Captured;
  stderr: Captured;
  timedOut: boolean;
  contextLost: boolean;
}

export function cellAnswer(
  language: string,
  context: string,
  end: CellEnd,
): { output: CellView; content: ContentBlock[] } {
  const { outcome, stdout, stderr, timedOut, contextLost } = end;
  const output: CellView = {
    language,
    context,
    ...(outcome && { execution_count: outcome.execution_count }),
    stdout: stdout.text,
    stderr: stderr.text,
    results: (outcome?.results ?? []).map(viewOf),
    ...(outcome?.error && { error: outcome.error }),
    ...(outcome?.exit_code !== undefined && { exit_code: outcome.exit_code }),
    timed_out: timedOut,
    context_lost: contextLost,
    truncated: stdout.truncated || stderr.truncated,
  };
  return { output, content: contentOf(output, outcome) };
}

function viewOf({ png, jpeg, ...rest }: CellOutcome['results'][number]): CellView['results'][number] {
  const image = png ? 'image/png' : jpeg ? 'image/jpeg' : undefined;
  return { ...rest, ...(image && { image }) };
}

function contentOf(output: CellView, outcome: CellOutcome | undefined): ContentBlock[] {
  const texts = [
    output.stdout,
    output.stderr && `stderr:\n${output.stderr}`,
    ...output.results.filter(({ image }) => !image).map(({ markdown, text }) => markdown ?? text ?? ''),
    output.error?.traceback ?? '',
    output.exit_code ? `Exit code ${output.exit_code}.` : '',
    output.timed_out ? 'Its time was up: it was interrupted.' : '',
    output.context_lost ? 'The context has ended: its variables are gone.' : '',
  ].filter((part) => part !== '');
  const images = (outcome?.results ?? []).flatMap(({ png, jpeg }): ContentBlock[] => {
    if (png) return [{ type: 'image', data: png, mimeType: 'image/png' }];
    return jpeg ? [{ type: 'image', data: jpeg, mimeType: 'image/jpeg' }] : [];
  });
  if (texts.length === 0 && images.length > 0) return images;
  return [{ type: 'text', text: texts.join('\n') || 'No output.' }, ...images];
}
