// vm_metrics: what the machine uses.
import { z } from 'zod';
import { callDeadlineMs, type Place } from '../../../machine/guest.ts';
import { defineTool } from '../../tool.ts';

const metricsView = z.object({
  memory_total_bytes: z.int(),
  memory_available_bytes: z.int(),
  disk_total_bytes: z.int().describe('Of /.'),
  disk_free_bytes: z.int(),
  cpu_time_ms: z.int().describe('Of all processes since the start.'),
  process_count: z.int(),
});

export const vmMetrics = defineTool({
  name: 'vm_metrics',
  title: 'Machine metrics',
  description: 'Memory, disk, processor time and processes of the machine, now.',
  scope: 'vm:read',
  input: z.object({}),
  output: metricsView,
  annotations: { readOnlyHint: true, openWorldHint: false },
  run: async (_args, { guest }) => ({ output: await metricsOf(await guest.place()) }),
});

export async function metricsOf({ client, uid }: Place): Promise<z.infer<typeof metricsView>> {
  const { guest } = await client.getUsage({ uid }, { timeoutMs: callDeadlineMs });
  return {
    memory_total_bytes: Number(guest?.memoryTotalBytes ?? 0n),
    memory_available_bytes: Number(guest?.memoryAvailableBytes ?? 0n),
    disk_total_bytes: Number(guest?.diskTotalBytes ?? 0n),
    disk_free_bytes: Number(guest?.diskFreeBytes ?? 0n),
    cpu_time_ms: Number(guest?.cpuTimeMs ?? 0n),
    process_count: guest?.processCount ?? 0,
  };
}
