// A light client of the REST API: one connection a request at once, kept open, so that what is timed is the server.
import { Agent, type IncomingMessage, request } from 'node:http';
import { TvmError } from '@tvm/api/errors.ts';
import type { ExecuteRequest, ExecuteResult } from '@tvm/api/rest/execute.ts';
import type { StatusView } from '@tvm/api/rest/microvms.ts';
import { fromProblem } from '@tvm/api/rest/problem.ts';

export interface RestClient extends Disposable {
  /** The answer's JSON. Throws the server's TvmError, with seconds to wait when it says so. */
  json<T>(method: 'GET' | 'POST' | 'DELETE', path: string, body?: unknown): Promise<T>;
  execute(request: ExecuteRequest): Promise<ExecuteResult>;
  status(): Promise<StatusView>;
}

export function makeRestClient(url: string, token: string): RestClient {
  const agent = new Agent({ keepAlive: true });
  const json = async <T>(method: string, path: string, body?: unknown): Promise<T> => {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const headers = {
      authorization: `Bearer ${token}`,
      ...(text !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
    };
    const response = await send(`${url}${path}`, { method, headers, agent }, text);
    const answer = await textOf(response);
    const { statusCode = 0 } = response;
    if (statusCode < 300) return (answer === '' ? undefined : JSON.parse(answer)) as T;
    throw errorOf(`${method} ${path}: HTTP ${statusCode} ${answer.slice(0, 200)}`, answer, response);
  };
  return {
    json,
    execute: (body) => json('POST', '/v1/execute', body),
    status: () => json('GET', '/v1/status'),
    [Symbol.dispose]: () => agent.destroy(),
  };
}

function send(url: string, options: object, body: string | undefined): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request(url, options, resolve).once('error', reject).end(body);
  });
}

async function textOf(response: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of response.setEncoding('utf8')) text += chunk;
  return text;
}

function errorOf(fallback: string, text: string, { headers }: IncomingMessage): TvmError {
  const { code, message, reason } = fromProblem(parseJson(text), fallback);
  const seconds = Number(headers['retry-after'] ?? Number.NaN);
  return new TvmError(code, message, {
    ...(reason !== undefined && { reason }),
    ...(Number.isFinite(seconds) && { retryAfterSeconds: seconds }),
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
