// read_process, write_process_stdin, signal_process: what can be done with a process that goes on.
import { z } from 'zod';
import { type InputBody, noInput, stdinOf } from '../../../machine/processes.ts';
import { offsets, processAnswer, processView, waitSeconds } from '../../process-view.ts';
import { defineTool } from '../../tool.ts';
import { defaultMaxBytes, lookAt } from './look.ts';

const execId = z.string().min(1).max(64).describe('exec_id of start_process or run_command.');

export const readProcessTool = defineTool({
  name: 'read_process',
  title: 'Read from a process',
  description:
    'What a process has printed from the given offsets on, and whether it still runs. With wait_seconds it waits for more. Also for one that has ended.',
  scope: 'vm:exec',
  input: z.object({
    exec_id: execId,
    ...offsets,
    wait_seconds: waitSeconds(0.5),
    max_bytes: z.int().min(4).max(262_144).default(defaultMaxBytes),
  }),
  output: processView,
  annotations: { readOnlyHint: true, openWorldHint: false },
  async run({ exec_id, stdout_offset, stderr_offset, wait_seconds, max_bytes }, call) {
    const from = { stdout: stdout_offset, stderr: stderr_offset };
    const look = { from, inputs: noInput(), waitMs: wait_seconds * 1000, maxBytes: max_bytes };
    return processAnswer(exec_id, await lookAt(exec_id, look, call));
  },
});

export const writeProcessStdinTool = defineTool({
  name: 'write_process_stdin',
  title: 'Write to a process',
  description: 'Gives a process of start_process input, and tells what it answers within wait_seconds.',
  scope: 'vm:exec',
  input: z.object({
    exec_id: execId,
    text: z.string().max(65_536).default('').describe('A line needs its \\n.'),
    end: z.boolean().default(false).describe('No more will come: its stdin is closed.'),
    wait_seconds: waitSeconds(1),
  }),
  output: processView,
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: false },
  async run({ exec_id, text, end, wait_seconds }, call) {
    const inputs = stdinOf(Buffer.from(text), end);
    const look = { inputs, waitMs: wait_seconds * 1000, maxBytes: defaultMaxBytes };
    return processAnswer(exec_id, await lookAt(exec_id, look, call));
  },
});

export const signalProcessTool = defineTool({
  name: 'signal_process',
  title: 'Signal a process',
  description: 'Sends a signal to a process and all of its group: SIGINT, SIGTERM, SIGKILL, SIGHUP, ...',
  scope: 'vm:exec',
  input: z.object({
    exec_id: execId,
    signal: z
      .enum(['SIGINT', 'SIGTERM', 'SIGKILL', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGSTOP', 'SIGCONT'])
      .default('SIGTERM'),
    wait_seconds: waitSeconds(2),
  }),
  output: processView,
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: false },
  async run({ exec_id, signal, wait_seconds }, call) {
    const inputs = async function* (): AsyncIterable<InputBody> {
      yield { case: 'signal', value: signal };
    };
    const look = { inputs: inputs(), waitMs: wait_seconds * 1000, maxBytes: defaultMaxBytes };
    return processAnswer(exec_id, await lookAt(exec_id, look, call));
  },
});
