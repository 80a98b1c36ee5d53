// vm_status: what the machine is and how it does.
import { TvmError } from '@tvm/api/errors.ts';
import { MachineState } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import { z } from 'zod';
import type { PlacedMachine } from '../../../contract.ts';
import { explain } from '../../../machine/guest.ts';
import { defineTool, type ToolCall } from '../../tool.ts';

export const statusView = z.object({
  state: z.string().describe('"running", "paused", ...'),
  image: z.string(),
  image_digest: z.string(),
  hostname: z.string(),
  cpus: z.int(),
  memory_mib: z.int(),
  boot_ms: z.int().describe('What its start took.'),
  restored: z.boolean().describe('It started from a snapshot, it did not boot.'),
  started_at: z.string(),
  node: z.string(),
  message: z.string().optional().describe('Why nothing can be done in it now, and what to do.'),
});

/** It stays so until somebody wants it otherwise. */
const atRest = new Set(['MachinePaused', 'MachineStopped']);

export const vmStatus = defineTool({
  name: 'vm_status',
  title: 'Machine status',
  description: 'What the machine is (image, size, host name) and how it does.',
  scope: 'vm:read',
  input: z.object({}),
  output: statusView,
  annotations: { readOnlyHint: true, openWorldHint: false },
  run: async (_args, call) => ({ output: await statusNow(call) }),
});

/** Of a machine that is left paused or stopped as well; throws what is wrong with any other that cannot be used. */
export async function statusNow({
  guest,
  context,
}: Pick<ToolCall, 'guest' | 'context'>): Promise<z.infer<typeof statusView>> {
  try {
    return statusOf(await guest.place());
  } catch (error) {
    const placed = context.lastSeen();
    if (!placed || !atRest.has(TvmError.from(error).reason ?? '')) throw error;
    return { ...statusOf(placed), message: explain(error) };
  }
}

export function statusOf({ machine, node }: PlacedMachine): z.infer<typeof statusView> {
  const { spec, state } = machine;
  return {
    state: (MachineState[state] ?? 'unknown').toLowerCase(),
    image: spec?.image ?? '',
    image_digest: machine.imageDigest,
    hostname: spec?.hostname ?? '',
    cpus: spec?.cpus ?? 0,
    memory_mib: spec?.memoryMib ?? 0,
    boot_ms: machine.bootMs,
    restored: machine.restored,
    started_at: new Date(Number(machine.startedAtMs)).toISOString(),
    node,
  };
}
