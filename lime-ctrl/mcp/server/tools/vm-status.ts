// vm_status: what the machine is and how it does.
import { MachineState } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import { z } from 'zod';
import type { Place } from '../../machine/guest.ts';
import { defineTool } from '../tool.ts';

export const statusView = z.object({
  state: z.string().describe('"running", "paused", ...'),
  image: z.string(),
  imageDigest: z.string(),
  hostname: z.string(),
  cpus: z.int(),
  memoryMiB: z.int(),
  bootMs: z.int().describe('What its start took.'),
  restored: z.boolean().describe('It started from a snapshot, it did not boot.'),
  startedAt: z.string(),
  node: z.string(),
});

export const vmStatus = defineTool({
  name: 'vm_status',
  title: 'Machine status',
  description: 'What the machine is (image, size, host name) and how it does.',
  scope: 'vm:read',
  input: z.object({}),
  output: statusView,
  annotations: { readOnlyHint: true, openWorldHint: false },
  run: async (_args, { guest }) => ({ output: statusOf(await guest.place()) }),
});

export function statusOf({ machine, node }: Place): z.infer<typeof statusView> {
  const { spec, state } = machine;
  return {
    state: (MachineState[state] ?? 'unknown').toLowerCase(),
    image: spec?.image ?? '',
    imageDigest: machine.imageDigest,
    hostname: spec?.hostname ?? '',
    cpus: spec?.cpus ?? 0,
    memoryMiB: spec?.memoryMib ?? 0,
    bootMs: machine.bootMs,
    restored: machine.restored,
    startedAt: new Date(Number(machine.startedAtMs)).toISOString(),
    node,
  };
}
