// The run of vvm stats: one request, one row.
import { usageView } from '@tvm/api/rest/microvms.ts';
import type { z } from 'zod';
import type { Context } from '../context.ts';
import { usageError } from '../exit-codes.ts';
import { readableBytes } from '../output/bytes.ts';
import { table, toJson } from '../output/table.ts';
import { pathOf } from './machine-client.ts';
import { clientOf } from './machines-run.ts';

const header = [
  ...['NAME', 'CPU TIME', 'MEMORY', 'DISK', 'PROCESSES'],
  ...['READ/WRITTEN', 'RECEIVED/SENT', 'VMM CPU TIME', 'VMM MEMORY'],
];

export async function stats(
  context: Context,
  name: string,
  { namespace, output }: { namespace?: string; output: string },
): Promise<void> {
  if (output !== 'table' && output !== 'json') throw usageError(`"${output}" is no format`, 'Write table or json.');
  const client = await clientOf(context);
  const usage = usageView.parse(await client.json({ path: `${pathOf(name)}/metrics`, query: { namespace } }));
  await context.progress.clear();
  await context.stdout.write(output === 'json' ? toJson({ name, ...usage }) : table(header, [rowOf(name, usage)]));
}

function rowOf(name: string, usage: z.infer<typeof usageView>): string[] {
  const used = (total: number, free: number) => `${readableBytes(total - free)} of ${readableBytes(total)}`;
  return [
    name,
    seconds(usage.cpuTimeMs),
    used(usage.memoryTotalBytes, usage.memoryAvailableBytes),
    used(usage.diskTotalBytes, usage.diskFreeBytes),
    String(usage.processCount),
    both(usage.diskTraffic?.readBytes, usage.diskTraffic?.writtenBytes),
    both(usage.networkTraffic?.receivedBytes, usage.networkTraffic?.sentBytes),
    seconds(usage.vmmCpuTimeMs),
    readableBytes(usage.vmmResidentBytes),
  ];
}

/** "-": there is no such thing, or nobody counts it. */
function both(one: number | undefined, other: number | undefined): string {
  return one === undefined || other === undefined ? '-' : `${readableBytes(one)}/${readableBytes(other)}`;
}

const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
