// What vvm disk does.
import { diskView } from '@tvm/api/rest/disks.ts';
import { z } from 'zod';
import type { Context } from '../context.ts';
import { usageError } from '../exit-codes.ts';
import { parseOutputFormat, table, toJson, toYaml } from '../output/table.ts';
import { clientOf } from './machines-run.ts';

const bytesPerMB = 1024 * 1024;

export async function list(context: Context, { namespace, output }: { namespace?: string; output: string }) {
  const format = parseOutputFormat(output);
  const answer = await (await clientOf(context)).json({ path: '/v1/disks', query: { namespace } });
  const { items } = z.object({ items: z.array(diskView) }).parse(answer);
  await context.progress.clear();
  if (format === 'json') return context.stdout.write(toJson(items));
  if (format === 'yaml') return context.stdout.write(await toYaml(items));
  const names = items.map(({ microVM, name }) => `${microVM}/${name}`);
  if (format === 'name') return context.stdout.write(names.map((name) => `${name}\n`).join(''));
  const rows = items.map(({ sizeMB, allocatedBytes, attached, node }, index) => {
    const used = `${Math.ceil(allocatedBytes / bytesPerMB)} MB`;
    return [names[index] ?? '', `${sizeMB} MB`, used, attached ? 'yes' : 'no', node];
  });
  await context.stdout.write(table(['DISK', 'SIZE', 'USED', 'ATTACHED', 'NODE'], rows));
}

export async function remove(context: Context, names: string[], { namespace }: { namespace?: string }) {
  const paths = names.map(pathOf);
  const client = await clientOf(context);
  for (const path of paths) await client.json({ method: 'DELETE', path, query: { namespace } });
  await context.progress.clear();
}

function pathOf(text: string): string {
  const [machine = '', disk = '', ...rest] = text.split('/');
  if (machine === '' || disk === '' || rest.length > 0) throw usageError(`"${text}" is no disk`, 'Write MACHINE/DISK.');
  return `/v1/disks/${encodeURIComponent(machine)}/${encodeURIComponent(disk)}`;
}
