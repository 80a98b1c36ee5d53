// The run of vvm port: a listener here whose connections end inside a machine, or a URL.
import { TvmError } from '@tvm/api/errors.ts';
import { longestPortUrlSeconds, portUrlView } from '@tvm/api/rest/ports.ts';
import { type Endpoint, endpointOf } from '../client/endpoint.ts';
import { makeRestClient } from '../client/rest-client.ts';
import { openTunnel } from '../client/tunnel.ts';
import type { Context } from '../context.ts';
import { usageError } from '../exit-codes.ts';
import { type Forward, startForward } from '../forward/forward.ts';
import { formatError } from '../output/format-error.ts';
import { toJson } from '../output/table.ts';
import { getMachine, pathOf } from './machine-client.ts';
import { namespaceQuery } from './namespace-option.ts';
import { parseSeconds } from './parse-options.ts';

export interface PortOptions {
  listen?: string;
  url?: boolean;
  ttl?: string;
  namespace?: string;
  json?: boolean;
}

export async function reachPort(context: Context, name: string, text: string, options: PortOptions): Promise<void> {
  const port = parsePort(text);
  if (options.url && options.listen !== undefined) throw usageError('--url does not listen', 'Leave out --listen.');
  if (!options.url && options.ttl !== undefined) throw usageError('--ttl is for URLs', 'Give --url too.');
  const endpoint = () => endpointOf(context.config, context.progress.say);
  if (options.url) return printUrl(context, await endpoint(), name, port, options);
  const listen = parseListen(options.listen ?? String(port));
  await forward(context, await endpoint(), { name, port, listen, options });
}

function parsePort(text: string, least = 1): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : -1;
  if (port >= least && port <= 65_535) return port;
  throw usageError(`"${text}" is not a port`, `Write a number from ${least} to 65535.`);
}

/** "8080", "127.0.0.1:8080", "[::1]:0". */
function parseListen(text: string): { host: string; port: number } {
  const [, bracketed, plain, port = text] = /^(?:\[([^\]]+)\]|([^:]+)):(.*)$/.exec(text) ?? [];
  return { host: bracketed ?? plain ?? '127.0.0.1', port: parsePort(port, 0) };
}

async function printUrl(context: Context, endpoint: Endpoint, name: string, port: number, options: PortOptions) {
  const ttlSeconds = options.ttl === undefined ? undefined : Math.ceil(parseSeconds(options.ttl));
  if (ttlSeconds !== undefined && (ttlSeconds < 10 || ttlSeconds > longestPortUrlSeconds)) {
    throw usageError(`a URL cannot last ${options.ttl}`, 'Write a time from 10s to 1h; --listen has no end.');
  }
  const { namespace } = options;
  const request = { port, ...(ttlSeconds !== undefined && { ttlSeconds }) };
  const path = `${pathOf(name)}/port-urls`;
  const answer = await makeRestClient(endpoint).json({ method: 'POST', path, query: { namespace }, json: request });
  const made = portUrlView.parse(answer);
  await context.progress.clear();
  await context.stdout.write(options.json ? toJson(made) : `${made.url}\n`);
}

interface ForwardRun {
  name: string;
  port: number;
  listen: { host: string; port: number };
  options: PortOptions;
}

async function forward(context: Context, endpoint: Endpoint, { name, port, listen, options }: ForwardRun) {
  // A wrong name is told now, not with the first connection.
  await getMachine(makeRestClient(endpoint), name, options.namespace);
  const path = `/v1/microvms/${encodeURIComponent(name)}/tunnels/${port}${namespaceQuery(options)}`;
  const said = new Set<string>();
  const onFailure = (thrown: unknown) => {
    const text = formatError(thrown);
    // Programs try again and again.
    if (said.has(text)) return;
    said.add(text);
    context.stderr.write(`${text}\n`).catch(() => undefined);
  };
  await using running = await startForward({ listen, open: () => openTunnel(endpoint, path), onFailure });
  await context.progress.clear();
  await context.stdout.write(
    options.json
      ? `${JSON.stringify({ listen: running.address, machine: name, port })}\n`
      : `Forwarding ${running.address} to port ${port} of ${name}. Ctrl-C ends it.\n`,
  );
  await untilLeft(running);
}

/** Ctrl-C is how it is meant to end. */
async function untilLeft({ failed }: Forward): Promise<void> {
  const left = Promise.withResolvers<void>();
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.on(signal, left.resolve);
  try {
    await Promise.race([left.promise, failed]);
  } catch (cause) {
    throw TvmError.from(cause, 'listening');
  } finally {
    for (const signal of signals) process.off(signal, left.resolve);
  }
}
