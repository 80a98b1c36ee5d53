// Another machine in the place of a session's own: what it starts from is noted on the session, its MicroVM is deleted, and whoever
// watches over the session makes the next. Invariant: each step may be done again.
import { TvmError } from '@tvm/api/errors.ts';
import { mcpSessions, microVms } from '@tvm/kit/kube/client.ts';
import { restoreFromAnnotation } from '../../../../mcp-session/names.ts';
import type { PlacedMachine } from '../../../contract.ts';
import type { ToolCall } from '../../tool.ts';
import { getMicroVm } from './microvm.ts';

const waitMs = 120_000;
const lookMs = 300;
/** Another one in its place is what is waited for: whoever asked needs no telling. */
const onItsWay = new Set(['MachineNotReady', 'MachineGone', 'MachineStopped', 'MachineRestarted', 'MachinePaused']);

/** Whether the session has made its machine itself. */
export async function ownsMachine({ context, deps }: ToolCall): Promise<boolean> {
  const { spec } = await deps.client.get(mcpSessions, context.session.namespace, context.session.name);
  return spec.vmId === undefined;
}

/** `snapshot`: the MicroVMSnapshot that the next one starts from; null: its image. Resolves when it runs. */
export async function replaceMachine(call: ToolCall, snapshot: string | null): Promise<PlacedMachine> {
  const { context, deps } = call;
  const { namespace, name } = context.session;
  const { uid = '' } = (await getMicroVm(call)).metadata;
  await deps.client.patch(mcpSessions, namespace, name, {
    metadata: { annotations: { [restoreFromAnnotation]: snapshot } },
  });
  context.expectRestart();
  await deps.client.delete(microVms, namespace, context.microVm, { uid });
  return whenReplaced(call, uid);
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
