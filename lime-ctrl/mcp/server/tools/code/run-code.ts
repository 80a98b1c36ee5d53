// run_code: code in a context that keeps its state.
import { z } from 'zod';
import { timeoutSeconds } from '../../process-options.ts';
import { defineTool } from '../../tool.ts';
import { cellAnswer, cellView } from './cell-result.ts';
import { endContext, languages, obtainContext } from './code-context.ts';
import { runCell } from './run-cell.ts';

export const runCodeTool = defineTool({
  name: 'run_code',
  title: 'Run code',
  description:
    'Runs Python, JavaScript (node) or bash and keeps variables, imports and functions for the next call in the same context, as a notebook does. Tells the value of the last expression; figures of matplotlib and what display() is given come as pictures and tables.',
  scope: 'vm:exec',
  input: z.object({
    code: z.string().min(1).max(1_048_576),
    language: z.enum(languages).default('python'),
    context: z
      .string()
      .regex(/^[\w.-]{1,64}$/)
      .default('default')
      .describe('Contexts of different names know nothing of each other.'),
    restart: z.boolean().default(false).describe('Begin with an empty context.'),
    timeout_seconds: timeoutSeconds(120),
  }),
  output: cellView,
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: false },
  async run({ code, language, context: name, restart, timeout_seconds }, { guest, deps, context, report, signal }) {
    const place = await guest.place();
    if (restart) await endContext(place, deps.seal, context, { language, name });
    const contextId = await obtainContext(place, deps.seal, context, { language, name });
    const timeoutMs = Math.ceil(timeout_seconds * 1000);
    const onOutput = (channel: 'stdout' | 'stderr', bytes: Buffer) => report.output(channel, bytes.toString());
    const end = await runCell({ place, contextId, code, timeoutMs, onOutput, clock: deps.clock }, signal);
    return cellAnswer(language, name, end);
  },
});
