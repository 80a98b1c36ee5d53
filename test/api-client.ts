// A small HTTPS client for a Kubernetes API: JSON in, status and body out, nothing hidden.
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import type { Access } from './cluster/kubeconfig.ts';

export interface ApiAnswer<Body = ApiObject> {
  status: number;
  headers: IncomingMessage['headers'];
  /** The parsed body when it is a JSON object; some endpoints send JSON without saying so. */
  body: Body;
  text: string;
}

/** Any JSON object; the tests look where they know something is. */
// biome-ignore lint/suspicious/noExplicitAny: the body of an answer is what a test checks, field by field
export type ApiObject = any;

export interface ApiRequest {
  method?: string;
  query?: Record<string, string | number | boolean>;
  body?: unknown;
  contentType?: string;
  accept?: string;
  headers?: Record<string, string>;
  /** Replaces the client's own token; '' sends none. */
  token?: string;
  signal?: AbortSignal;
}

export const patchTypes = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml',
} as const;

export class ApiClient implements Disposable {
  readonly #access: Access;
  readonly #agent: Agent;

  constructor(access: Access) {
    this.#access = access;
    this.#agent = new Agent({ ca: access.ca, keepAlive: true, maxSockets: 64 });
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }

  /** Any answer of the server, also an error. Throws only when there is none. */
  async send(path: string, options: ApiRequest = {}): Promise<ApiAnswer> {
    const response = await this.open(path, options);
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString('utf8');
    return {
      status: response.statusCode ?? 0,
      headers: response.headers,
      body: text.startsWith('{') ? JSON.parse(text) : undefined,
      text,
    };
  }

  /** The answer with its body unread, for streams. */
  open(path: string, options: ApiRequest = {}): Promise<IncomingMessage> {
    const url = new URL(path, this.#access.url);
    for (const [name, value] of Object.entries(options.query ?? {})) url.searchParams.set(name, String(value));
    const body = encode(options.body);
    const token = options.token ?? this.#access.token;
    const headers = {
      ...options.headers,
      accept: options.accept ?? 'application/json',
      ...(token !== '' && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && {
        'content-type': options.contentType ?? 'application/json',
        'content-length': body.length,
      }),
    };
    const { signal } = options;
    return new Promise((resolve, reject) => {
      const method = options.method ?? (body === undefined ? 'GET' : 'POST');
      request(url, { method, headers, agent: this.#agent, ...(signal && { signal }) }, resolve)
        .on('error', reject)
        .end(body);
    });
  }

  get(path: string, query: ApiRequest['query'] = {}, options: ApiRequest = {}): Promise<ApiAnswer> {
    return this.send(path, { query, ...options });
  }

  create(path: string, body: unknown, query: ApiRequest['query'] = {}): Promise<ApiAnswer> {
    return this.send(path, { method: 'POST', body, query });
  }

  update(path: string, body: unknown, query: ApiRequest['query'] = {}): Promise<ApiAnswer> {
    return this.send(path, { method: 'PUT', body, query });
  }

  patch(
    path: string,
    type: keyof typeof patchTypes,
    body: unknown,
    query: ApiRequest['query'] = {},
  ): Promise<ApiAnswer> {
    return this.send(path, { method: 'PATCH', body, query, contentType: patchTypes[type] });
  }

  delete(path: string, body?: unknown, query: ApiRequest['query'] = {}): Promise<ApiAnswer> {
    return this.send(path, { method: 'DELETE', body, query });
  }
}

function encode(body: unknown): Buffer | undefined {
  if (body === undefined) return undefined;
  return Buffer.isBuffer(body) ? body : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
}
