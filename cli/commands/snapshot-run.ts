// The runs of vvm snapshot.
import { TvmError } from '@tvm/api/errors.ts';
import type { MicroVmCreate } from '@tvm/api/rest/microvms.ts';
import type { SnapshotView } from '@tvm/api/rest/snapshots.ts';
import type { RestClient } from '../client/rest-client.ts';
import type { Context } from '../context.ts';
import { printable } from '../output/progress.ts';
import { age, type OutputFormat, parseOutputFormat, table, toJson, toYaml } from '../output/table.ts';
import { createMachine } from './machine-client.ts';
import { machineTable } from './machine-table.ts';
import { clientOf, waitUntilSettled } from './machines-run.ts';
import { parseSeconds, parseVariables } from './parse-options.ts';
import * as snapshots from './snapshot-client.ts';

export interface DeleteSnapshotOptions {
  namespace?: string;
  wait: boolean;
  timeout: string;
}

export interface CreateSnapshotOptions extends DeleteSnapshotOptions {
  retain?: boolean;
  output: string;
}

export interface RestoreOptions extends DeleteSnapshotOptions {
  env?: string[];
  ttl?: string;
  output: string;
}

export async function create(
  context: Context,
  machine: string,
  name: string | undefined,
  options: CreateSnapshotOptions,
): Promise<void> {
  const format = parseOutputFormat(options.output);
  const timeoutMs = parseSeconds(options.timeout) * 1000;
  const client = await clientOf(context);
  const request = { ...(name !== undefined && { name }), ...(options.retain && { deletionPolicy: 'Retain' as const }) };
  const created = await snapshots.takeSnapshot(client, machine, request, options.namespace);
  const taken = options.wait ? await waitUntilTaken(context, client, created, timeoutMs) : created;
  await context.progress.clear();
  await context.stdout.write(await snapshotTable([taken], format, true));
}

async function waitUntilTaken(context: Context, client: RestClient, created: SnapshotView, timeoutMs: number) {
  const { name, namespace } = created;
  const taken = await snapshots.waitForSnapshot(client, name, namespace, timeoutMs, (seen) => {
    if (!seen) return true;
    context.progress.say(`${name}: ${snapshots.readyMessage(seen) || seen.status.phase || 'Pending'}`);
    return seen.status.readyToUse === true || seen.status.phase === 'Failed';
  });
  if (!taken) throw new TvmError('aborted', `snapshot ${name} was deleted meanwhile`);
  if (taken.status.phase !== 'Failed') return taken;
  throw new TvmError('failed_precondition', `snapshot ${name} failed: ${snapshots.readyMessage(taken)}`, {
    object: `microvmsnapshot/${namespace}/${name}`,
    hint: `It is tried again; "vvm snapshot delete ${name}" ends that.`,
  });
}

export async function list(context: Context, options: { namespace?: string; output: string }): Promise<void> {
  const format = parseOutputFormat(options.output);
  const all = await snapshots.listSnapshots(await clientOf(context), options.namespace);
  await context.progress.clear();
  await context.stdout.write(await snapshotTable(all, format));
}

export async function restore(
  context: Context,
  snapshot: string,
  name: string | undefined,
  options: RestoreOptions,
): Promise<void> {
  const format = parseOutputFormat(options.output);
  const timeoutMs = parseSeconds(options.timeout) * 1000;
  const env = Object.entries(parseVariables(options.env ?? [], context.config.environment));
  const client = await clientOf(context);
  const { status } = await snapshots.getSnapshot(client, snapshot, options.namespace);
  const { image, cpu, memory } = status;
  if (image === undefined || cpu === undefined || memory === undefined) throw notTaken(snapshot, status.phase);
  const request: MicroVmCreate = {
    ...(name !== undefined && { name }),
    ...(options.namespace !== undefined && { namespace: options.namespace }),
    spec: {
      ...{ image, cpu, memory, snapshot },
      ...(env.length > 0 && { env: env.map(([key, value]) => ({ name: key, value })) }),
      ...(options.ttl !== undefined && { ttlSeconds: Math.ceil(parseSeconds(options.ttl)) }),
    },
  };
  const created = await createMachine(client, request);
  const settled = options.wait ? await waitUntilSettled(context, client, created, timeoutMs) : created;
  await context.progress.clear();
  await context.stdout.write(await machineTable([settled], format, true));
}

export async function remove(context: Context, names: string[], options: DeleteSnapshotOptions): Promise<void> {
  const timeoutMs = parseSeconds(options.timeout) * 1000;
  const client = await clientOf(context);
  for (const name of names) await snapshots.deleteSnapshot(client, name, options.namespace);
  for (const name of options.wait ? names : []) {
    context.progress.say(`${name}: deleting`);
    await snapshots.waitForSnapshot(client, name, options.namespace, timeoutMs, (seen) => seen === undefined);
  }
  await context.progress.clear();
}

function notTaken(name: string, phase = 'Pending'): TvmError {
  return new TvmError('failed_precondition', `snapshot ${name} is ${phase}`, {
    object: `microvmsnapshot/${name}`,
    hint: '"vvm snapshot list -o wide" says why.',
  });
}

const header = ['NAME', 'MACHINE', 'GEN', 'PHASE', 'SIZE', 'HOSTS', 'AGE'];

async function snapshotTable(values: SnapshotView[], format: OutputFormat, one = false): Promise<string> {
  if (format === 'json') return toJson(one ? values[0] : { items: values });
  if (format === 'yaml') return await toYaml(one ? values[0] : { items: values });
  if (format === 'name') return values.map(({ name }) => `${name}\n`).join('');
  const now = Date.now();
  const wide = format === 'wide';
  const rows = values.map((snapshot) => [...row(snapshot, now), ...(wide ? wideCells(snapshot) : [])]);
  return table(wide ? [...header, 'NAMESPACE', 'IMAGE', 'MESSAGE'] : header, rows);
}

function row({ name, microVM, deleting, status, createdAt }: SnapshotView, now: number): string[] {
  const size = status.sizeBytes === undefined ? '-' : `${Math.ceil(status.sizeBytes / 1_048_576)} MiB`;
  const phase = deleting ? 'Deleting' : (status.phase ?? 'Pending');
  return [
    name,
    microVM,
    String(status.generation ?? '-'),
    phase,
    size,
    status.hosts?.join(',') || '-',
    age(createdAt, now),
  ];
}

function wideCells(snapshot: SnapshotView): string[] {
  return [snapshot.namespace, snapshot.status.image ?? '-', printable(snapshots.readyMessage(snapshot)) || '-'];
}
