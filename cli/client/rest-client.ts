// Requests to the REST API. Invariant: whatever goes wrong is thrown as a TvmError with the server's own code and hint.
import { TvmError } from '@tvm/api/errors.ts';
import { fromProblem } from '@tvm/api/rest/problem.ts';
import type { Endpoint } from './endpoint.ts';

export interface RestRequest {
  method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  path: string;
  query?: Record<string, string | number | boolean | undefined>;
  /** Sent as JSON. */
  json?: unknown;
  /** Sent as it is, at the server's pace. */
  body?: ReadableStream<Uint8Array>;
  signal?: AbortSignal;
}

export interface RestClient {
  /** The answer's JSON; undefined for an empty answer. */
  json(request: RestRequest): Promise<unknown>;
  /** The answer itself, its body not read yet. */
  raw(request: RestRequest): Promise<Response>;
}

export function makeRestClient(endpoint: Endpoint): RestClient {
  async function raw(request: RestRequest): Promise<Response> {
    const response = await send(endpoint, request);
    if (response.ok) return response;
    const text = await response.text();
    const fallback = `${what(request)}: HTTP ${response.status} ${text.slice(0, 200)}`.trim();
    throw refusedBy(endpoint, fromProblem(parseJson(text), fallback));
  }
  return {
    raw,
    async json(request) {
      const text = await (await raw(request)).text();
      if (text === '') return undefined;
      const value = parseJson(text);
      if (value === undefined) throw new TvmError('internal', `${what(request)}: the answer is not JSON`);
      return value;
    },
  };
}

async function send(endpoint: Endpoint, request: RestRequest): Promise<Response> {
  const url = new URL(endpoint.url + request.path);
  for (const [name, value] of Object.entries(request.query ?? {})) {
    if (value !== undefined) url.searchParams.set(name, String(value));
  }
  const body = request.json === undefined ? request.body : JSON.stringify(request.json);
  const type = request.json === undefined ? 'application/octet-stream' : 'application/json';
  try {
    return await fetch(url, {
      method: request.method ?? 'GET',
      headers: { authorization: `Bearer ${endpoint.token}`, ...(body !== undefined && { 'content-type': type }) },
      ...(body !== undefined && { body, duplex: 'half' as const }),
      ...(request.signal && { signal: request.signal }),
    });
  } catch (cause) {
    if (request.signal?.aborted) throw new TvmError('canceled', `${what(request)} was cancelled`, { cause });
    throw unreachable(endpoint, cause);
  }
}

/** For every way of talking to the server. */
export function unreachable(endpoint: Endpoint, cause: unknown): TvmError {
  const inner = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause;
  const why = inner instanceof Error ? inner.message || inner.name : String(inner);
  return new TvmError('unavailable', `cannot reach the server at ${endpoint.url}: ${why}`, {
    cause,
    hint: endpoint.remote ? remoteHint : '"vvm status" says what runs.',
  });
}

const remoteHint = `TVM_SERVER says so. For a cluster this must run meanwhile:
kubectl -n tvm-system port-forward service/lime-ctrl 8082`;

/** What the server said, with what to do about it here. */
export function refusedBy({ remote }: Endpoint, error: TvmError): TvmError {
  if (!remote || error.code !== 'unauthenticated') return error;
  return new TvmError('unauthenticated', error.message, {
    cause: error.cause,
    hint: 'The token is from TVM_TOKEN or TVM_TOKEN_FILE. In a cluster make a new one:\nexport TVM_TOKEN=$(kubectl create token SERVICEACCOUNT)',
  });
}

function what(request: RestRequest): string {
  return `${request.method ?? 'GET'} ${request.path}`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
