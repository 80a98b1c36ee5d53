// GET /openapi/v2, /openapi/v3 and /openapi/v3/… of each group and version.
import type { Document, OpenApi } from '../openapi/documents.ts';
import { notAcceptable } from '../status/status-error.ts';
import { parseMediaTypes } from './accept.ts';
import { answerBytes, type Exchange } from './exchange.ts';

const json = 'application/json';
/** What clients ask for; the answer's own type has a dot for the @. */
const protobuf = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf';
const protobufAnswer = protobuf.replace('@', '.');

/** Answers and returns true when the path is one of OpenAPI. */
export function handleOpenApi(openApi: OpenApi, exchange: Exchange): boolean {
  const { path } = exchange;
  if (path === '/openapi/v2') {
    answerV2(openApi, exchange);
    return true;
  }
  const document = v3DocumentAt(openApi, path);
  if (document) answerDocument(exchange, document, wantedType(exchange, [json]));
  return document !== undefined;
}

function v3DocumentAt(openApi: OpenApi, path: string): Document | undefined {
  const root = '/openapi/v3';
  if (path === root || path === `${root}/`) return openApi.index();
  return path.startsWith(`${root}/`) ? openApi.v3(path.slice(root.length + 1)) : undefined;
}

function answerV2(openApi: OpenApi, exchange: Exchange): void {
  exchange.response.setHeader('Vary', 'Accept');
  const type = wantedType(exchange, [json, protobuf, protobufAnswer]);
  if (type === json) answerDocument(exchange, openApi.v2(), json);
  else answerDocument(exchange, openApi.v2Protobuf(), protobufAnswer);
}

/** The first of the accepted types that is offered. Throws StatusError 406. */
function wantedType(exchange: Exchange, offered: readonly string[]): string {
  const [first = ''] = offered;
  for (const { type } of parseMediaTypes(exchange.request.headers.accept || '*/*')) {
    if (offered.includes(type)) return type;
    if (type === '*/*' || type === 'application/*') return first;
  }
  throw notAcceptable(offered.join(', '));
}

function answerDocument(exchange: Exchange, { bytes, hash }: Document, type: string): void {
  exchange.response.setHeader('Etag', `"${hash}"`);
  if (exchange.request.headers['if-none-match'] === `"${hash}"`) exchange.response.writeHead(304).end();
  else answerBytes(exchange, 200, bytes, type);
}
