// One request and its answer: what handlers read, and the few ways in which they answer.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { stringify } from 'yaml';
import { type Status, statusOf } from '../status/status-error.ts';

export interface Exchange {
  method: string;
  /** Without the query. */
  path: string;
  query: URLSearchParams;
  request: IncomingMessage;
  response: ServerResponse;
  /** Told in Warning headers. */
  warnings: string[];
  /** Who asks, once authenticated. */
  user: string;
}

export function makeExchange(request: IncomingMessage, response: ServerResponse): Exchange {
  const { path, query } = splitTarget(request.url ?? '/');
  return { method: request.method ?? 'GET', path, query, request, response, warnings: [], user: '' };
}

/** A request target as it came: any text, also one that is no URL. */
function splitTarget(target: string): { path: string; query: URLSearchParams } {
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  return { path, query: new URLSearchParams(mark < 0 ? '' : target.slice(mark + 1)) };
}

export function answerJson(exchange: Exchange, code: number, body: object, contentType = 'application/json'): void {
  answerText(exchange, code, `${JSON.stringify(body)}\n`, contentType);
}

/** JSON or YAML, as the client asked. */
export function answerObject(exchange: Exchange, code: number, body: object, format: 'json' | 'yaml'): void {
  if (format === 'json') answerJson(exchange, code, body);
  else answerText(exchange, code, stringify(body), 'application/yaml');
}

export function answerText(
  exchange: Exchange,
  code: number,
  text: string,
  contentType = 'text/plain; charset=utf-8',
): void {
  answerBytes(exchange, code, Buffer.from(text), contentType);
}

export function answerBytes(exchange: Exchange, code: number, bytes: Uint8Array, contentType: string): void {
  const { response, warnings } = exchange;
  if (warnings.length > 0) response.setHeader('Warning', warnings.map(warningHeader));
  response.writeHead(code, {
    'Content-Type': contentType,
    'Content-Length': bytes.length,
    'Cache-Control': 'no-cache, private',
    'X-Content-Type-Options': 'nosniff',
  });
  response.end(exchange.method === 'HEAD' ? undefined : bytes);
}

/** Answers a thrown thing with its Status, unless the answer has begun, which then ends abruptly. */
export function answerError(exchange: Exchange, thrown: unknown): void {
  if (exchange.response.headersSent) {
    exchange.response.destroy();
    return;
  }
  const status: Status = statusOf(thrown);
  const seconds = status.details?.retryAfterSeconds;
  if (seconds !== undefined) exchange.response.setHeader('Retry-After', String(seconds));
  answerJson(exchange, status.code, status);
}

function warningHeader(text: string): string {
  const printable = text.replaceAll(/[^\x20-\x7e]/g, '?');
  return `299 - ${JSON.stringify(printable)}`;
}
