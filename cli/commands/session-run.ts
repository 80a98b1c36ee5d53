// The runs of vvm session.
import { TvmError } from '@tvm/api/errors.ts';
import { type SessionCreate, type SessionToken, type SessionView, sessionCreate } from '@tvm/api/rest/sessions.ts';
import type { RestClient } from '../client/rest-client.ts';
import type { Context } from '../context.ts';
import { usageError } from '../exit-codes.ts';
import { printable } from '../output/progress.ts';
import { age, type OutputFormat, parseOutputFormat, table, toJson, toYaml } from '../output/table.ts';
import { clientOf } from './machines-run.ts';
import { type NetworkOptions, networkOf } from './network-options.ts';
import { type LimitOptions, limitsAndSecrets } from './parse-limits.ts';
import { parseCount, parseMegabytes, parseSeconds } from './parse-options.ts';
import * as sessions from './session-client.ts';
import { clientNames, settingsFor } from './session-clients.ts';

export interface SessionOptions {
  namespace?: string;
}

export interface ListSessionsOptions extends SessionOptions {
  output: string;
}

export interface WaitForSessionOptions extends SessionOptions {
  wait: boolean;
  timeout: string;
}

export interface CreateSessionOptions extends WaitForSessionOptions, LimitOptions, NetworkOptions {
  vm?: string;
  image?: string;
  cpu?: string;
  memory?: string;
  idleTimeout?: string;
  ttl?: string;
  scope?: string[];
  user?: string;
  group?: string;
  output: string;
}

export interface ConnectOptions extends SessionOptions {
  client?: string;
  json?: boolean;
}

export async function create(context: Context, name: string | undefined, options: CreateSessionOptions): Promise<void> {
  const format = parseOutputFormat(options.output);
  const request = createRequest(name, options);
  const timeoutMs = parseSeconds(options.timeout) * 1000;
  const client = await clientOf(context);
  const created = await sessions.createSession(client, request);
  const settled = options.wait ? await waitUntilReady(context, client, created, timeoutMs) : created;
  await context.progress.clear();
  await context.stdout.write(await sessionTable([settled], format, true));
}

function createRequest(name: string | undefined, options: CreateSessionOptions): SessionCreate {
  const { vm, image, cpu, memory, idleTimeout, ttl, scope, user, group, namespace } = options;
  const network = networkOf(options);
  const own = { image, cpu, memory, network, limit: options.limit, pullSecret: options.pullSecret };
  if (vm !== undefined && Object.values(own).some((option) => option !== undefined)) {
    throw usageError('--vm names a machine that is there already', 'Leave out what a machine is made of, or --vm.');
  }
  const request: unknown = {
    ...(name !== undefined && { name }),
    ...(namespace !== undefined && { namespace }),
    spec: {
      ...(vm !== undefined && { vmId: vm }),
      ...(image !== undefined && { image }),
      ...(cpu !== undefined && { cpu: parseCount(cpu, 'cpus') }),
      ...(memory !== undefined && { memory: parseMegabytes(memory) }),
      ...(network && { network }),
      ...limitsAndSecrets(options),
      ...(idleTimeout !== undefined && { idleTimeoutSeconds: Math.ceil(parseSeconds(idleTimeout)) }),
      ...(ttl !== undefined && { ttlSeconds: Math.ceil(parseSeconds(ttl)) }),
      ...(scope && { scopes: [...new Set(scope)] }),
      ...(user !== undefined && { userId: user }),
      ...(group !== undefined && { groupId: group }),
    },
  };
  const checked = sessionCreate.safeParse(request);
  if (checked.success) return checked.data;
  const [first] = checked.error.issues;
  throw usageError(
    `${first?.path.join('.') || 'request'}: ${first?.message ?? 'wrong'}`,
    'See vvm session create --help.',
  );
}

async function waitUntilReady(context: Context, client: RestClient, created: SessionView, timeoutMs: number) {
  const { name, namespace } = created;
  const session = await sessions.waitForSession(client, created, timeoutMs, (seen) => {
    if (!seen) return true;
    context.progress.say(`${name}: ${sessions.readyOf(seen)?.message ?? 'Pending'}`);
    return sessions.readyOf(seen)?.status === 'True' || ['Failed', 'Expired'].includes(seen.status.state ?? '');
  });
  if (!session) throw new TvmError('aborted', `session ${name} was ended meanwhile`, { object: `mcpsession/${name}` });
  const ready = sessions.readyOf(session);
  if (ready?.status === 'True') return session;
  throw new TvmError('failed_precondition', `session ${name} is not ready: ${ready?.message ?? 'no reason'}`, {
    object: `mcpsession/${namespace}/${name}`,
    hint: `"vvm session end ${name}" removes it.`,
    ...(ready && { reason: ready.reason }),
  });
}

export async function list(context: Context, options: ListSessionsOptions): Promise<void> {
  const format = parseOutputFormat(options.output);
  const all = await sessions.listSessions(await clientOf(context), options.namespace);
  await context.progress.clear();
  await context.stdout.write(await sessionTable(all, format));
}

export async function connect(context: Context, name: string, options: ConnectOptions): Promise<void> {
  const chosen = chosenClients(options.client);
  const connection = await sessions.tokenOf(await clientOf(context), name, options.namespace);
  await context.progress.clear();
  const all = chosen.map((client) => [client, settingsFor(client, name, connection)] as const);
  if (options.json) return context.stdout.write(toJson({ ...connection, clients: Object.fromEntries(all) }));
  const parts = all.map(
    ([, { title, file, text }]) => `${title}${file === undefined ? '' : `, in ${file}`}:\n\n${text}\n`,
  );
  await context.stdout.write(`${[headOf(connection), ...parts].join('\n')}`);
}

function chosenClients(client: string | undefined) {
  if (client === undefined) return clientNames;
  const found = clientNames.find((each) => each === client);
  if (found) return [found];
  throw usageError(
    `unknown client "${client}"`,
    `Known: ${clientNames.join(', ')}. Others: use the URL and the token.`,
  );
}

function headOf({ url, token, expiresAt, scopes }: SessionToken): string {
  return `URL:     ${url}\nToken:   ${token}\nExpires: ${expiresAt}\nScopes:  ${scopes.join(' ')}\n`;
}

export async function token(context: Context, name: string, options: SessionOptions & { headers?: boolean }) {
  const connection = await sessions.tokenOf(await clientOf(context), name, options.namespace);
  await context.progress.clear();
  const headers = JSON.stringify({ Authorization: `Bearer ${connection.token}` });
  await context.stdout.write(`${options.headers ? headers : connection.token}\n`);
}

export async function rotate(context: Context, name: string, options: SessionOptions): Promise<void> {
  const client = await clientOf(context);
  await sessions.rotateToken(client, name, options.namespace);
  await sessions.tokenOf(client, name, options.namespace);
  await context.progress.clear();
}

export async function end(context: Context, names: string[], options: WaitForSessionOptions): Promise<void> {
  const timeoutMs = parseSeconds(options.timeout) * 1000;
  const { namespace } = options;
  const client = await clientOf(context);
  for (const name of names) await sessions.endSession(client, name, namespace);
  for (const name of options.wait ? names : []) {
    context.progress.say(`${name}: ending`);
    await sessions.waitForSession(client, { name, namespace }, timeoutMs, (session) => session === undefined);
  }
  await context.progress.clear();
}

const header = ['NAME', 'STATE', 'USER', 'GROUP', 'MACHINE', 'REASON', 'AGE'];

async function sessionTable(all: SessionView[], format: OutputFormat, single = false): Promise<string> {
  const value = single ? all[0] : { items: all };
  if (format === 'json') return toJson(value);
  if (format === 'yaml') return toYaml(value);
  if (format === 'name') return all.map(({ name }) => `${name}\n`).join('');
  const now = Date.now();
  const wide = format === 'wide';
  const rows = all.map((session) => [...row(session, now), ...(wide ? more(session) : [])]);
  return table(wide ? [...header, 'NAMESPACE', 'LAST USED', 'URL', 'MESSAGE'] : header, rows);
}

function row(session: SessionView, now: number): string[] {
  const { name, deleting, spec, status, createdAt } = session;
  const state = deleting ? 'Ending' : (status.state ?? 'Pending');
  const reason = sessions.readyOf(session)?.reason ?? '-';
  return [name, state, spec.userId, spec.groupId, status.vmId ?? spec.vmId ?? '-', reason, age(createdAt, now)].map(
    printable,
  );
}

function more(session: SessionView): string[] {
  const { namespace, status } = session;
  const message = sessions.readyOf(session)?.message ?? '-';
  return [namespace, status.lastActivity ?? '-', status.connectionInfo?.url ?? '-', message].map(printable);
}
