// The kube client over HTTPS: one request a call on kept connections, one connection a watch.
// Invariant: every request ends, by an answer, an error or its deadline; a watch ends by its signal or when silent too long.
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent, request as httpsRequest, type RequestOptions } from 'node:https';
import { createInterface } from 'node:readline';
import { TvmError } from '@tvm/api/errors.ts';
import type { ApiObject, KubeClient, ListOptions, Resource, WatchEvent, WatchOptions } from './client.ts';
import type { KubeConfig } from './kube-config.ts';
import { statusError } from './status-error.ts';

const requestDeadlineMs = 30_000;
/** A watch that its server does not end in time is dead. */
const watchSlackMs = 30_000;

interface Call {
  method: string;
  path: string;
  query?: Record<string, string | number | boolean | undefined>;
  body?: unknown;
  contentType?: string;
}

export interface HttpsKubeClient extends KubeClient, Disposable {
  /** Throws unless the server says that it is ready. */
  ping(): Promise<void>;
}

export function makeHttpsClient(config: KubeConfig): HttpsKubeClient {
  const wire = makeWire(config);
  const send = async <T>(call: Call): Promise<T> => {
    const text = await readText(await wire.open(call, AbortSignal.timeout(requestDeadlineMs)));
    return JSON.parse(text) as T;
  };
  return {
    get: (resource, namespace, name) => send({ method: 'GET', path: pathOf(resource, namespace, name) }),
    list: async (resource, options = {}) => listOf(resource, await send(listCall(resource, options))),
    watch: (resource, options) => watch(wire, resource, options),
    create: (resource, object) =>
      send({ method: 'POST', path: pathOf(resource, object.metadata.namespace), body: object }),
    update: (resource, object) =>
      send({ method: 'PUT', path: pathOf(resource, object.metadata.namespace, object.metadata.name), body: object }),
    updateStatus: (resource, object) =>
      send({
        method: 'PUT',
        path: `${pathOf(resource, object.metadata.namespace, object.metadata.name)}/status`,
        body: object,
      }),
    patch: (resource, namespace, name, patch) =>
      send({
        method: 'PATCH',
        path: pathOf(resource, namespace, name),
        body: patch,
        contentType: 'application/merge-patch+json',
      }),
    delete: async (resource, namespace, name, preconditions) => {
      const body = { apiVersion: 'v1', kind: 'DeleteOptions', ...(preconditions && { preconditions }) };
      await send({ method: 'DELETE', path: pathOf(resource, namespace, name), body });
    },
    ping: async () => {
      await readText(await wire.open({ method: 'GET', path: '/readyz' }, AbortSignal.timeout(5_000)));
    },
    [Symbol.dispose]: () => wire.close(),
  };
}

type Wire = ReturnType<typeof makeWire>;

function makeWire({ server, ca, rejectUnauthorized, clientCertificate, token }: KubeConfig) {
  const secure = server.protocol === 'https:';
  const agent = secure
    ? new Agent({ keepAlive: true, maxSockets: 32, ...(ca && { ca }), rejectUnauthorized, ...clientCertificate })
    : new HttpAgent({ keepAlive: true, maxSockets: 32 });
  const prefix = server.pathname.replace(/\/$/, '');

  /** The answer with a status below 300; throws what the server said otherwise. */
  async function open(call: Call, signal: AbortSignal): Promise<IncomingMessage> {
    const operation = `${call.method} ${call.path}`;
    const response = await exchange(call, signal).catch((error) => {
      throw new TvmError('unavailable', `${operation}: the API server at ${server.host} does not answer`, {
        cause: error,
      });
    });
    const status = response.statusCode ?? 0;
    if (status < 300) return response;
    throw statusError(operation, status, parseJson(await readText(response)));
  }

  function exchange(call: Call, signal: AbortSignal): Promise<IncomingMessage> {
    const body = call.body === undefined ? undefined : JSON.stringify(call.body);
    const bearer = token();
    const options: RequestOptions = {
      agent,
      method: call.method,
      host: server.hostname.replace(/^\[|\]$/g, ''),
      port: server.port || (secure ? 443 : 80),
      path: `${prefix}${call.path}${queryOf(call.query)}`,
      signal,
      headers: {
        accept: 'application/json',
        'user-agent': 'tvm',
        ...(bearer && { authorization: `Bearer ${bearer}` }),
        ...(body && {
          'content-type': call.contentType ?? 'application/json',
          'content-length': Buffer.byteLength(body),
        }),
      },
    };
    return new Promise((resolve, reject) => {
      const request = (secure ? httpsRequest : httpRequest)(options, resolve);
      request.on('error', reject);
      request.end(body);
    });
  }
  return { open, close: () => agent.destroy() };
}

async function* watch<T extends ApiObject>(
  wire: Wire,
  resource: Resource<T>,
  options: WatchOptions,
): AsyncIterable<WatchEvent<T>> {
  const path = pathOf(resource, options.namespace);
  const query = {
    watch: true,
    allowWatchBookmarks: true,
    resourceVersion: options.resourceVersion,
    timeoutSeconds: options.timeoutSeconds,
  };
  const deadline = AbortSignal.timeout(options.timeoutSeconds * 1000 + watchSlackMs);
  const signal = AbortSignal.any([options.signal, deadline]);
  const response = await wire.open({ method: 'GET', path, query }, signal);
  try {
    for await (const line of createInterface({ input: response, crlfDelay: Infinity })) {
      if (line !== '') yield watchEventOf<T>(path, line);
    }
    if (response.errored) throw response.errored;
  } catch (error) {
    if (options.signal.aborted) return;
    if (error instanceof TvmError) throw error;
    throw new TvmError('unavailable', `watch ${path}: the connection broke`, { cause: error });
  } finally {
    response.destroy();
  }
}

function watchEventOf<T extends ApiObject>(path: string, line: string): WatchEvent<T> {
  const event = parseJson(line) as { type: string; object: T } | undefined;
  if (!event) throw new TvmError('unavailable', `watch ${path}: a line that is no JSON`);
  if (event.type === 'ERROR') throw statusError(`watch ${path}`, 500, event.object);
  if (event.type === 'BOOKMARK') {
    return { type: 'BOOKMARK', resourceVersion: event.object.metadata.resourceVersion ?? '' };
  }
  return event as WatchEvent<T>;
}

function pathOf(resource: Resource<ApiObject>, namespace?: string, name?: string): string {
  const root = resource.apiVersion.includes('/') ? `/apis/${resource.apiVersion}` : `/api/${resource.apiVersion}`;
  const scope = resource.namespaced && namespace ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  const part = resource.subresource === undefined ? '' : `/${resource.subresource}`;
  return `${root}${scope}/${resource.plural}${name === undefined ? '' : `/${encodeURIComponent(name)}${part}`}`;
}

function queryOf(query: Call['query'] = {}): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined);
  return given.length === 0
    ? ''
    : `?${new URLSearchParams(Object.fromEntries(given.map(([key, value]) => [key, String(value)])))}`;
}

function listCall(resource: Resource<ApiObject>, options: ListOptions): Call {
  const { namespace, labelSelector, limit } = options;
  return {
    method: 'GET',
    path: pathOf(resource, namespace),
    query: { labelSelector, limit, continue: options.continue },
  };
}

interface WireList<T> {
  metadata: { resourceVersion?: string; continue?: string };
  items: T[] | null;
}

/** Items of a list carry no apiVersion and kind on the wire. */
function listOf<T extends ApiObject>({ apiVersion, kind }: Resource<T>, list: WireList<T>) {
  return {
    items: (list.items ?? []).map((item) => ({ ...item, apiVersion, kind })),
    resourceVersion: list.metadata.resourceVersion ?? '',
    continue: list.metadata.continue || undefined,
  };
}

async function readText(response: IncomingMessage): Promise<string> {
  response.setEncoding('utf8');
  let text = '';
  for await (const chunk of response) text += chunk;
  return text;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
