// The runs of vvm pool.
import { type PoolCreate, type PoolView, poolCreate, poolScale, poolView } from '@tvm/api/rest/pools.ts';
import { z } from 'zod';
import type { Context } from '../context.ts';
import { usageError } from '../exit-codes.ts';
import { printable } from '../output/progress.ts';
import { age, parseOutputFormat, table, toJson, toYaml } from '../output/table.ts';
import { clientOf } from './machines-run.ts';
import { type LimitOptions, limitsAndSecrets } from './parse-limits.ts';
import { parseCount, parseMegabytes } from './parse-options.ts';

export interface PoolOptions {
  namespace?: string;
}

export interface ScaleOptions extends PoolOptions {
  min?: string;
  max?: string;
}

export interface CreatePoolOptions extends ScaleOptions, LimitOptions {
  image: string;
  cpu: string;
  memory: string;
}

const pools = z.object({ items: z.array(poolView) });

export async function list(context: Context, options: PoolOptions & { output: string }): Promise<void> {
  const format = parseOutputFormat(options.output);
  const { namespace } = options;
  const { items } = pools.parse(await (await clientOf(context)).json({ path: '/v1/pools', query: { namespace } }));
  await context.progress.clear();
  if (format === 'json') return await context.stdout.write(toJson({ items }));
  if (format === 'yaml') return await context.stdout.write(await toYaml({ items }));
  if (format === 'name') return await context.stdout.write(items.map(({ name }) => `${name}\n`).join(''));
  const now = Date.now();
  const rows = items.map((pool) => [
    ...row(pool, now),
    ...(format === 'wide' ? [pool.namespace, messageOf(pool)] : []),
  ]);
  await context.stdout.write(table(format === 'wide' ? [...header, 'NAMESPACE', 'MESSAGE'] : header, rows));
}

export async function create(context: Context, name: string, options: CreatePoolOptions): Promise<void> {
  const request: PoolCreate = {
    name,
    ...(options.namespace !== undefined && { namespace: options.namespace }),
    spec: {
      ...countsOf(options),
      template: {
        spec: {
          image: options.image,
          cpu: parseCount(options.cpu, 'cpus'),
          memory: parseMegabytes(options.memory),
          ...limitsAndSecrets(options),
        },
      },
    },
  };
  refuseWrong(poolCreate.safeParse(request));
  const client = await clientOf(context);
  const created = poolView.parse(await client.json({ method: 'POST', path: '/v1/pools', json: request }));
  await context.progress.clear();
  await context.stdout.write(`${created.name}\n`);
}

export async function scale(context: Context, name: string, options: ScaleOptions): Promise<void> {
  const request = countsOf(options);
  if (Object.keys(request).length === 0) throw usageError('nothing is to change', 'Give --min, --max or both.');
  refuseWrong(poolScale.safeParse(request));
  const { namespace } = options;
  const client = await clientOf(context);
  await client.json({ method: 'POST', path: `${pathOf(name)}/scale`, query: { namespace }, json: request });
  await context.progress.clear();
}

export async function remove(context: Context, names: string[], { namespace }: PoolOptions): Promise<void> {
  const client = await clientOf(context);
  for (const name of names) await client.json({ method: 'DELETE', path: pathOf(name), query: { namespace } });
  await context.progress.clear();
}

const pathOf = (name: string) => `/v1/pools/${encodeURIComponent(name)}`;

function countsOf({ min, max }: ScaleOptions) {
  return {
    ...(min !== undefined && { minReady: parseReady(min) }),
    ...(max !== undefined && { maxReady: parseReady(max) }),
  };
}

const parseReady = (text: string) => (text === '0' ? 0 : parseCount(text, 'machines'));

function refuseWrong({ error }: { error?: z.ZodError | undefined }): void {
  const [first] = error?.issues ?? [];
  if (first) throw usageError(`${first.path.join('.')}: ${first.message}`, 'See vvm pool --help.');
}

const header = ['NAME', 'IMAGE', 'CPU', 'MEMORY', 'MIN', 'MAX', 'READY', 'REASON', 'AGE'];

function row({ name, spec, status, createdAt }: PoolView, now: number): string[] {
  const { image, cpu, memory } = spec.template.spec;
  const counts = [`${spec.minReady}`, `${spec.maxReady ?? '-'}`, `${status.ready ?? 0}`];
  const reason = readyOf(status)?.reason ?? '-';
  return [name, image, `${cpu}`, `${memory} MB`, ...counts, reason, age(createdAt, now)];
}

const messageOf = ({ status }: PoolView) => printable(readyOf(status)?.message ?? '-');

function readyOf({ conditions }: PoolView['status']) {
  return conditions?.find(({ type }) => type === 'Ready');
}
