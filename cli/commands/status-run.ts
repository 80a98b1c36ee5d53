// The run of vvm status: asks, never starts anything.
import { TvmError } from '@tvm/api/errors.ts';
import { type StatusView, statusView } from '@tvm/api/rest/microvms.ts';
import type { Endpoint } from '../client/endpoint.ts';
import { makeRestClient } from '../client/rest-client.ts';
import type { Context } from '../context.ts';
import { Exit, exitCodes } from '../exit-codes.ts';
import { parseOutputFormat, table, toJson, toYaml } from '../output/table.ts';
import { readServiceFile, type ServiceState } from '../service/service-file.ts';
import { readToken } from '../service/tokens.ts';
import { listMachines } from './machine-client.ts';
import { machineTable } from './machine-table.ts';

/** Throws Exit 1 when nothing serves. */
export async function status(context: Context, options: { output?: string; namespace?: string }): Promise<void> {
  const format = options.output === undefined ? 'table' : parseOutputFormat(options.output);
  const { config, stdout } = context;
  const file = config.remote ? undefined : readServiceFile(config.home);
  const service = file?.alive ? file.state : undefined;
  const endpoint = config.remote ?? (service && endpointIn(service));
  const server = endpoint && (await askServer(endpoint, options.namespace));
  const all = {
    running: server?.machines !== undefined,
    service,
    ...(config.remote && { server: config.remote.url }),
    ...server,
  };
  if (format === 'json') await stdout.write(toJson(all));
  else if (format === 'yaml') await stdout.write(await toYaml(all));
  else await stdout.write(await statusText(all, file?.state));
  if (!all.running) throw new Exit(exitCodes.failed);
}

function endpointIn(service: ServiceState): Endpoint | undefined {
  return service.url === undefined ? undefined : { url: service.url, token: readToken(service.tokensFile) };
}

interface Answers {
  status?: StatusView;
  machines?: unknown[];
  /** Why something of it is missing, and what to do. */
  error?: string;
}

/** Who may not see the whole still sees the machines. */
async function askServer(endpoint: Endpoint, namespace: string | undefined): Promise<Answers> {
  const client = makeRestClient(endpoint);
  const [whole, machines] = await Promise.allSettled([
    client.json({ path: '/v1/status' }).then((answer) => statusView.parse(answer)),
    listMachines(client, { namespace }),
  ]);
  const errors = [whole, machines].flatMap((each) => (each.status === 'rejected' ? [sayWhy(each.reason)] : []));
  return {
    ...(whole.status === 'fulfilled' && { status: whole.value }),
    ...(machines.status === 'fulfilled' && { machines: machines.value }),
    ...(errors.length > 0 && { error: [...new Set(errors)].join('\n') }),
  };
}

function sayWhy(thrown: unknown): string {
  const { message, hint } = TvmError.from(thrown);
  return hint === undefined ? message : `${message}\n  ${hint.replaceAll('\n', '\n  ')}`;
}

interface All extends Answers {
  service?: ServiceState | undefined;
  /** Where TVM_SERVER points. */
  server?: string;
}

async function statusText(all: All, last: ServiceState | undefined): Promise<string> {
  const sections: string[] = [];
  if (all.server) sections.push(`server: ${all.server} (TVM_SERVER)\n`);
  if (all.service) sections.push(serviceText(all.service));
  else if (!all.server && !all.status && !all.error) sections.push(notRunningText(last));
  if (all.error) sections.push(`${all.server ? '' : 'server: '}${all.error}\n`);
  if (all.status) sections.push(nodesText(all.status), poolsText(all.status));
  if (all.machines) {
    const text = all.machines.length === 0 ? 'no MicroVM is declared\n' : await machineTable(all.machines, 'table');
    sections.push(text);
  }
  return sections.join('\n');
}

function notRunningText(last: ServiceState | undefined): string {
  const why = last?.failure
    ? `\nlast start failed: ${last.failure.message}`
    : last
      ? '\nit was killed: "vvm up" starts it again'
      : '';
  return `the service does not run${why}\nstart it with "vvm up"\n`;
}

function serviceText(service: ServiceState): string {
  const rows = Object.entries(service.parts).map(([name, part]) => [
    name,
    part.state,
    part.pid === undefined ? '-' : String(part.pid),
    String(part.restarts),
    part.lastEnd ?? '',
  ]);
  const addresses = [`service: ${service.message} (process ${service.pid})`, `url: ${service.url ?? '-'}`];
  addresses.push(`kubeconfig: ${service.kubeconfig ?? '-'}`, `log: ${service.logFile}`);
  return `${addresses.join('\n')}\n\n${table(['PART', 'STATE', 'PID', 'RESTARTS', 'LAST END'], rows)}`;
}

function nodesText({ nodes }: StatusView): string {
  const rows = nodes.map((node) => [
    node.name,
    node.reachable ? 'yes' : 'no',
    node.driver,
    node.accelerator,
    String(node.cpus),
    `${node.memoryFreeMiB}/${node.memoryMiB} MiB`,
    String(node.machines),
    node.acceleratorReason,
  ]);
  return table(['NODE', 'REACHABLE', 'DRIVER', 'ACCELERATOR', 'CPUS', 'MEMORY FREE', 'MACHINES', 'WHY'], rows);
}

function poolsText({ pools }: StatusView): string {
  if (pools.length === 0) return 'no machines wait\n';
  const rows = pools.map((pool) => [
    pool.image,
    `${pool.cpu}`,
    `${pool.memory} MB`,
    `${pool.waiting}`,
    `${pool.making}`,
    `${pool.wanted}`,
    pool.interpreter || '-',
  ]);
  return table(['WAITING FOR IMAGE', 'CPU', 'MEMORY', 'WAITING', 'MAKING', 'WANTED', 'INTERPRETER'], rows);
}
