// The run of vvm fork.
import type { MicroVmView } from '@tvm/api/rest/microvms.ts';
import { forkRequest } from '@tvm/api/rest/snapshots.ts';
import type { RestClient } from '../client/rest-client.ts';
import type { Context } from '../context.ts';
import { usageError } from '../exit-codes.ts';
import { parseOutputFormat } from '../output/table.ts';
import { machineTable } from './machine-table.ts';
import { clientOf, type WaitOptions, waitUntilSettled } from './machines-run.ts';
import { parseCount, parseSeconds } from './parse-options.ts';
import { forkMachine } from './snapshot-client.ts';

export interface ForkOptions extends WaitOptions {
  count?: string;
  output: string;
}

export async function fork(context: Context, machine: string, names: string[], options: ForkOptions): Promise<void> {
  const format = parseOutputFormat(options.output);
  const timeoutMs = parseSeconds(options.timeout) * 1000;
  const request = requestOf(names, options.count);
  const client = await clientOf(context);
  context.progress.say(`${machine}: being snapshotted`);
  const { items } = await forkMachine(client, machine, request, options.namespace);
  const settled = options.wait ? await waitForAll(context, client, items, timeoutMs) : items;
  await context.progress.clear();
  await context.stdout.write(await machineTable(settled, format));
}

/** Waits for all, telling how many run and what the first of the others does. */
async function waitForAll(context: Context, client: RestClient, items: MicroVmView[], timeoutMs: number) {
  const told = new Map(items.map(({ name }) => [name, '']));
  let running = 0;
  const tell = () => {
    const [message = ''] = told.values();
    if (told.size > 0) context.progress.say(`${running} of ${items.length} run${message && `; ${message}`}`);
  };
  const wait = async (item: MicroVmView) => {
    const say = (message: string) => {
      told.set(item.name, message);
      tell();
    };
    const machine = await waitUntilSettled(
      { ...context, progress: { ...context.progress, say } },
      client,
      item,
      timeoutMs,
    );
    told.delete(item.name);
    running += 1;
    tell();
    return machine;
  };
  return await Promise.all(items.map(wait));
}

function requestOf(names: string[], count: string | undefined) {
  const request = {
    ...(names.length > 0 && { names }),
    ...(count !== undefined && { count: parseCount(count, 'machines') }),
  };
  const checked = forkRequest.safeParse(request);
  if (checked.success) return request;
  const [first] = checked.error.issues;
  throw usageError(`${first?.path.join('.') || 'request'}: ${first?.message ?? 'wrong'}`, 'See vvm fork --help.');
}
