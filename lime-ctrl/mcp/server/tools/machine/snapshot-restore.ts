// snapshot_restore: the machine as it was when a snapshot was taken. It is another machine in the place of the one there is: that is
// declared, and made by whoever watches over the session.
import { TvmError } from '@tvm/api/errors.ts';
import { mcpSessions, microVms } from '@tvm/kit/kube/client.ts';
import { z } from 'zod';
import { restoreFromAnnotation } from '../../../../mcp-session/names.ts';
import type { PlacedMachine } from '../../../contract.ts';
import { defineTool, type ToolCall, text } from '../../tool.ts';
import { getMicroVm } from './microvm.ts';
import { ownSnapshots, snapshotName } from './snapshots.ts';
import { statusOf, statusView } from './vm-status.ts';

const waitMs = 120_000;
const lookMs = 300;
/** Another one in its place is what is waited for: whoever asked needs no telling. */
const onItsWay = new Set(['MachineNotReady', 'MachineGone', 'MachineStopped', 'MachineRestarted']);

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
    const before = await getMicroVm(call);
    const { context, deps, report } = call;
    const { namespace } = context.session;
    const metadata = { annotations: { [restoreFromAnnotation]: name } };
    await deps.client.patch(mcpSessions, namespace, context.session.name, { metadata });
    context.expectRestart();
    const { uid = '' } = before.metadata;
    await deps.client.delete(microVms, namespace, context.microVm, { uid });
    report.step(`starting from snapshot ${name}`);
    const placed = await whenReplaced(call, uid);
    return { output: statusOf(placed), content: [text(`The machine is as it was in snapshot ${name}.`)] };
  },
});

async function checkRestorable(call: ToolCall, name: string): Promise<void> {
  const { context, deps } = call;
  const { spec } = await deps.client.get(mcpSessions, context.session.namespace, context.session.name);
  if (spec.vmId !== undefined) {
    throw new TvmError('failed_precondition', `the machine ${spec.vmId} is not this session's own`, {
      hint: 'Only a session that made its machine can put another in its place. Declare a MicroVM with spec.snapshot.',
    });
  }
  const found = (await ownSnapshots(call)).find(({ metadata }) => metadata.name === name);
  if (!found)
    throw new TvmError('not_found', `this machine has no snapshot ${name}`, {
      hint: 'snapshot_list tells which it has.',
    });
  if (found.status?.readyToUse) return;
  throw new TvmError('failed_precondition', `snapshot ${name} is not ready`, {
    hint: 'snapshot_list tells when it is.',
  });
}

async function whenReplaced({ context, deps, signal }: ToolCall, uid: string): Promise<PlacedMachine> {
  const untilMs = deps.clock.now() + waitMs;
  for (;;) {
    const placed = await context.machine().catch((error) => {
      if (!onItsWay.has(TvmError.from(error).reason ?? '')) throw error;
    });
    if (placed && placed.machine.uid !== uid) return placed;
    if (signal.aborted || deps.clock.now() > untilMs) {
      throw new TvmError('deadline_exceeded', 'the machine is not back yet', { hint: 'vm_status tells when it is.' });
    }
    await deps.clock.sleep(lookMs, signal);
  }
}
