// The runs of create, get, list, delete, start, stop, pause, resume.
import { TvmError } from '@tvm/api/errors.ts';
import { type MicroVmCreate, type MicroVmView, microVmCreate } from '@tvm/api/rest/microvms.ts';
import { endpointOf } from '../client/endpoint.ts';
import { makeRestClient, type RestClient } from '../client/rest-client.ts';
import type { Context } from '../context.ts';
import { usageError } from '../exit-codes.ts';
import { parseOutputFormat } from '../output/table.ts';
import * as machines from './machine-client.ts';
import { machineTable } from './machine-table.ts';
import { networkOf } from './network-options.ts';
import { parseDisk } from './parse-disk.ts';
import { type LimitOptions, limitsAndSecrets } from './parse-limits.ts';
import { parseCount, parseMegabytes, parseSeconds, parseVariables } from './parse-options.ts';

const idleActions = ['Pause', 'Stop', 'Delete'] as const;

export interface WaitOptions {
  namespace?: string;
  wait: boolean;
  timeout: string;
}

export interface CreateOptions extends WaitOptions, LimitOptions {
  image: string;
  cpu: string;
  memory: string;
  env?: string[];
  egress?: string;
  allow?: string[];
  label?: string[];
  disk?: string[];
  runEntrypoint?: boolean;
  mcp?: boolean;
  ttl?: string;
  idleTimeout?: string;
  onIdle?: string;
  output: string;
}

interface ShowOptions {
  namespace?: string;
  output: string;
}

export async function clientOf({ config, progress }: Context): Promise<RestClient> {
  return makeRestClient(await endpointOf(config, progress.say));
}

export async function create(context: Context, name: string | undefined, command: string[], options: CreateOptions) {
  const format = parseOutputFormat(options.output);
  const request = createRequest(name, command, options, context);
  const timeoutMs = parseSeconds(options.timeout) * 1000;
  const client = await clientOf(context);
  const created = await machines.createMachine(client, request);
  const settled = options.wait ? await waitUntilSettled(context, client, created, timeoutMs) : created;
  await context.progress.clear();
  await context.stdout.write(await machineTable([settled], format, true));
}

function createRequest(name: string | undefined, command: string[], options: CreateOptions, context: Context) {
  const env = Object.entries(parseVariables(options.env ?? [], context.config.environment));
  const network = networkOf(options);
  const request: MicroVmCreate = {
    ...(name !== undefined && { name }),
    ...(options.namespace !== undefined && { namespace: options.namespace }),
    ...(options.label && { labels: labelsOf(options.label) }),
    spec: {
      image: options.image,
      cpu: parseCount(options.cpu, 'cpus'),
      memory: parseMegabytes(options.memory),
      ...(options.mcp && { mcpMode: true }),
      ...limitsAndSecrets(options),
      ...(options.runEntrypoint && { runEntrypoint: true }),
      ...(options.disk && { persistentStorage: options.disk.map(parseDisk) }),
      ...(command.length > 0 && { command }),
      ...(env.length > 0 && { env: env.map(([key, value]) => ({ name: key, value })) }),
      ...(network && { network }),
      ...(options.ttl !== undefined && { ttlSeconds: Math.ceil(parseSeconds(options.ttl)) }),
      ...idlenessOf(options),
    },
  };
  const checked = microVmCreate.safeParse(request);
  if (checked.success) return request;
  const [first] = checked.error.issues;
  throw usageError(`${first?.path.join('.') || 'request'}: ${first?.message ?? 'wrong'}`, 'See vvm create --help.');
}

function idlenessOf({ idleTimeout, onIdle }: CreateOptions): Partial<MicroVmCreate['spec']> {
  if (idleTimeout === undefined) {
    if (onIdle === undefined) return {};
    throw usageError('--on-idle is given without --idle-timeout', 'Add --idle-timeout 10m.');
  }
  const action = idleActions.find((each) => each.toLowerCase() === (onIdle ?? 'pause').toLowerCase());
  if (action) return { idleTimeoutSeconds: Math.ceil(parseSeconds(idleTimeout)), onIdle: action };
  throw usageError(`unknown --on-idle "${onIdle}"`, `Known: ${idleActions.join(', ').toLowerCase()}.`);
}

function labelsOf(pairs: string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=');
      if (at > 0) return [pair.slice(0, at), pair.slice(at + 1)];
      throw usageError(`"${pair}" is no label`, 'Write --label NAME=VALUE.');
    }),
  );
}

/** Waits until the machine runs, or has ended. Throws TvmError when it failed, is gone, or takes too long. */
export async function waitUntilSettled(context: Context, client: RestClient, created: MicroVmView, timeoutMs: number) {
  const { name, namespace } = created;
  const machine = await machines.waitForMachine(client, name, namespace, timeoutMs, (seen) => {
    if (!seen) return true;
    context.progress.say(`${name}: ${seen.status.message || seen.status.phase || 'Pending'}`);
    return ['Running', 'Stopped', 'Failed'].includes(seen.status.phase ?? '');
  });
  if (!machine) throw new TvmError('aborted', `machine ${name} was deleted meanwhile`, { object: `microvm/${name}` });
  if (machine.status.phase === 'Failed') throw machineFailed(machine);
  return machine;
}

function machineFailed({ name, namespace, status }: MicroVmView): TvmError {
  return new TvmError(
    'failed_precondition',
    `machine ${name} failed: ${status.message ?? status.reason ?? 'no reason'}`,
    {
      object: `microvm/${namespace}/${name}`,
      hint: `"vvm logs ${name}" shows its console; "vvm delete ${name}" removes it.`,
      ...(status.reason !== undefined && { reason: status.reason }),
    },
  );
}

export async function get(context: Context, name: string, options: ShowOptions): Promise<void> {
  const format = parseOutputFormat(options.output);
  const machine = await machines.getMachine(await clientOf(context), name, options.namespace);
  await context.progress.clear();
  await context.stdout.write(await machineTable([machine], format, true));
}

export async function list(context: Context, options: ShowOptions & { allNamespaces?: boolean }): Promise<void> {
  const { namespace, allNamespaces } = options;
  const format = parseOutputFormat(options.output);
  const all = await machines.listMachines(await clientOf(context), { namespace, allNamespaces });
  await context.progress.clear();
  // Names alone do not tell machines of several namespaces apart.
  await context.stdout.write(await machineTable(all, allNamespaces && format === 'table' ? 'wide' : format));
}

export async function remove(context: Context, names: string[], options: WaitOptions): Promise<void> {
  const timeoutMs = parseSeconds(options.timeout) * 1000;
  const client = await clientOf(context);
  for (const name of names) await machines.deleteMachine(client, name, options.namespace);
  for (const name of options.wait ? names : []) {
    context.progress.say(`${name}: deleting`);
    await machines.waitForMachine(client, name, options.namespace, timeoutMs, (machine) => machine === undefined);
  }
  await context.progress.clear();
}

const phaseAfter = { start: 'Running', resume: 'Running', stop: 'Stopped', pause: 'Paused' } as const;

export async function change(
  context: Context,
  name: string,
  action: machines.MachineAction,
  options: WaitOptions,
): Promise<void> {
  const timeoutMs = parseSeconds(options.timeout) * 1000;
  const client = await clientOf(context);
  await machines.changeMachine(client, name, action, options.namespace);
  // A machine that had failed before says so until the change is seen.
  let moved = false;
  const machine = await machines.waitForMachine(client, name, options.namespace, timeoutMs, (seen) => {
    if (!options.wait || !seen) return true;
    context.progress.say(`${name}: ${seen.status.message || seen.status.phase || 'Pending'}`);
    moved ||= seen.status.phase !== 'Failed';
    return seen.status.phase === phaseAfter[action] || (moved && seen.status.phase === 'Failed');
  });
  await context.progress.clear();
  if (options.wait && machine?.status.phase === 'Failed') throw machineFailed(machine);
}
