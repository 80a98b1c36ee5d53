// list_processes: what the caller has started in the machine.
import type { ProcessInfo } from '@tvm/api/gen/tvm/guest/v1/guest_pb.js';
import { z } from 'zod';
import { listProcesses } from '../../../machine/processes.ts';
import { isExecutionId } from '../../executions.ts';
import { defineTool, type ToolCall, text } from '../../tool.ts';

const maxCommandLength = 500;

export const listedProcess = z.object({
  exec_id: z.string(),
  pid: z.int(),
  command: z.string(),
  running: z.boolean(),
  exit_code: z.int().optional(),
});

export const listProcessesTool = defineTool({
  name: 'list_processes',
  title: 'List processes',
  description:
    'The processes that you have started: those that run, and the last that ended. For all that run in the machine use run_command with ps.',
  scope: 'vm:exec',
  input: z.object({}),
  output: z.object({ processes: z.array(listedProcess) }),
  annotations: { readOnlyHint: true, openWorldHint: false },
  async run(_args, call) {
    const processes = await ownProcesses(call);
    const lines = processes.map(({ exec_id, running, exit_code, command }) => {
      return `${exec_id} ${running ? 'running' : `ended (${exit_code})`} ${command}`;
    });
    return { output: { processes }, content: [text(lines.join('\n') || 'None.')] };
  },
});

export async function ownProcesses({
  guest,
  deps,
  context,
}: Pick<ToolCall, 'guest' | 'deps' | 'context'>): Promise<z.infer<typeof listedProcess>[]> {
  const own: z.infer<typeof listedProcess>[] = [];
  for (const process of await listProcesses(await guest.place())) {
    if (await isExecutionId(deps.seal, context, process.id)) own.push(viewOf(process));
  }
  return own;
}

function viewOf({ id, pid, argv, exited }: ProcessInfo): z.infer<typeof listedProcess> {
  // The command stands last, behind the shell that chooses a shell.
  const command = (argv.at(-1) ?? '').slice(0, maxCommandLength);
  return { exec_id: id, pid, command, running: exited === undefined, ...(exited && { exit_code: exited.code }) };
}
