// run_code: code in a context that keeps its state.
import { z } from 'zod';
import { mintExecutionId } from '../../executions.ts';
import { timeoutSeconds } from '../../process-options.ts';
import { runAsTaskWhenLong } from '../../tasks/run-as-task.ts';
import { defineTool } from '../../tool.ts';
import { cellAnswer, cellView } from './cell-result.ts';
import { endContext, languages, obtainContext } from './code-context.ts';
import { newCellName, runCell } from './run-cell.ts';

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
  tasks: true,
  async run({ code, language, context: name, restart, timeout_seconds }, call) {
    const { guest, deps, context, report } = call;
    const place = await guest.place();
    if (restart) await endContext(place, deps.seal, context, { language, name });
    const contextId = await obtainContext(place, deps.seal, context, { language, name });
    const timeoutMs = Math.ceil(timeout_seconds * 1000);
    const onOutput = (channel: 'stdout' | 'stderr', bytes: Buffer) => report.output(channel, bytes.toString());
    const cell = { name: newCellName(), contextId, language, context: name, timeoutMs };
    const work = { place, id: await mintExecutionId(deps.seal, context), tool: 'run_code', cell };
    return runAsTaskWhenLong(call, work, async (signal) => {
      const end = await runCell({ ...cell, place, code, onOutput, clock: deps.clock }, signal);
      return cellAnswer(language, name, end);
    });
  },
});
