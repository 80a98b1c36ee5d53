// run_command: one command in a shell, to its end.
import { z } from 'zod';
import { noInput, startProcess, stdinOf } from '../../machine/processes.ts';
import { followToEnd, killedWhenGivenUp } from '../../machine/run-process.ts';
import { executionContent, executionView, executionViewOf } from '../execution-view.ts';
import { mintExecutionId } from '../executions.ts';
import { processOptions, shellArgv, startFields, timeoutSeconds } from '../process-options.ts';
import { runAsTaskWhenLong } from '../tasks/run-as-task.ts';
import { defineTool } from '../tool.ts';

export const runCommand = defineTool({
  name: 'run_command',
  title: 'Run a command',
  description:
    'Runs a shell command in a fresh process and waits for its end. Its output streams while it runs. For servers and work that outlasts your client use start_process.',
  scope: 'vm:exec',
  input: z.object({
    command: z.string().min(1).max(131_072).describe('As you would type it: pipes, redirections, several lines.'),
    stdin: z.string().max(1_048_576).optional().describe('What it reads. Default: nothing.'),
    ...processOptions,
    timeout_seconds: timeoutSeconds(300),
  }),
  output: executionView,
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: false },
  tasks: true,
  async run({ command, stdin, timeout_seconds, ...options }, call) {
    const place = await call.guest.place();
    const id = await mintExecutionId(call.deps.seal, call.context);
    const process = {
      id,
      keep: true,
      argv: shellArgv(command),
      stdin: stdin !== undefined,
      timeoutMs: Math.ceil(timeout_seconds * 1000),
      ...startFields(options),
    };
    const input = stdin === undefined ? noInput() : stdinOf(Buffer.from(stdin), true);
    const onOutput = (channel: 'stdout' | 'stderr', bytes: Uint8Array) =>
      call.report.output(channel, Buffer.from(bytes).toString());
    return runAsTaskWhenLong(call, { place, id, tool: 'run_command' }, async (signal) => {
      const events = startProcess(place, process, input, signal);
      const ended = await killedWhenGivenUp(place, id, followToEnd(events, { onOutput }), signal);
      return { output: executionViewOf(id, ended), content: executionContent(id, ended) };
    });
  },
});
