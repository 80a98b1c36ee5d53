// snapshot_restore: the machine as it was when a snapshot was taken.
import { TvmError } from '@tvm/api/errors.ts';
import { z } from 'zod';
import { defineTool, type ToolCall, text } from '../../tool.ts';
import { ownsMachine, replaceMachine } from './replace-machine.ts';
import { ownSnapshots, snapshotName } from './snapshots.ts';
import { statusOf, statusView } from './vm-status.ts';

export const snapshotRestore = defineTool({
  name: 'snapshot_restore',
  title: 'Go back to a snapshot',
  description:
    'Makes the machine what it was when the snapshot was taken, with its memory, processes and files. What has happened since is lost.',
  scope: 'vm:admin',
  input: z.object({ name: snapshotName }),
  output: statusView,
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: false },
  async run({ name }, call) {
    await checkRestorable(call, name);
    call.report.step(`starting from snapshot ${name}`);
    const placed = await replaceMachine(call, name);
    return { output: statusOf(placed), content: [text(`The machine is as it was in snapshot ${name}.`)] };
  },
});

async function checkRestorable(call: ToolCall, name: string): Promise<void> {
  if (!(await ownsMachine(call))) {
    throw new TvmError('failed_precondition', `the machine ${call.context.microVm} is not this session's own`, {
      hint: 'Only a session that made its machine can put another in its place. Declare a MicroVM with spec.snapshot.',
    });
  }
  const found = (await ownSnapshots(call)).find(({ metadata }) => metadata.name === name);
  if (!found) {
    throw new TvmError('not_found', `this machine has no snapshot ${name}`, {
      hint: 'snapshot_list tells which it has.',
    });
  }
  if (found.status?.readyToUse) return;
  throw new TvmError('failed_precondition', `snapshot ${name} is not ready`, {
    hint: 'snapshot_list tells when it is.',
  });
}
