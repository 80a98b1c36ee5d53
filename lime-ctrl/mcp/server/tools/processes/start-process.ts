// start_process: a process that goes on when the call is over.
import { z } from 'zod';
import { exchange } from '../../../machine/exchange.ts';
import { noInput, startProcess } from '../../../machine/processes.ts';
import { mintExecutionId } from '../../executions.ts';
import { maxTimeoutSeconds, processOptions, shellArgv, startFields } from '../../process-options.ts';
import { processAnswer, processView, waitSeconds } from '../../process-view.ts';
import { defineTool } from '../../tool.ts';
import { defaultMaxBytes, quietMs } from './look.ts';

export const startProcessTool = defineTool({
  name: 'start_process',
  title: 'Start a process',
  description:
    'Starts a shell command that goes on in the background: a server, a watcher, a long build. read_process tells what it prints, write_process_stdin gives it input, signal_process ends it.',
  scope: 'vm:exec',
  input: z.object({
    command: z.string().min(1).max(131_072),
    ...processOptions,
    timeout_seconds: z
      .number()
      .positive()
      .max(maxTimeoutSeconds)
      .optional()
      .describe('Seconds after which it is killed. Default: never.'),
    wait_seconds: waitSeconds(0.5),
  }),
  output: processView,
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: false },
  async run({ command, timeout_seconds, wait_seconds, ...options }, { guest, deps, context, signal }) {
    const id = await mintExecutionId(deps.seal, context);
    const process = {
      id,
      keep: true,
      stdin: true,
      argv: shellArgv(command),
      timeoutMs: Math.ceil((timeout_seconds ?? 0) * 1000),
      ...startFields(options),
    };
    const over = new AbortController();
    try {
      const ended = AbortSignal.any([over.signal, signal]);
      const events = startProcess(await guest.place(), process, noInput(), ended);
      const bounds = { waitMs: wait_seconds * 1000, quietMs, maxBytes: defaultMaxBytes };
      const taken = await exchange(events, { stdout: 0, stderr: 0 }, bounds, deps.clock);
      return processAnswer(id, taken);
    } finally {
      over.abort();
    }
  },
});
