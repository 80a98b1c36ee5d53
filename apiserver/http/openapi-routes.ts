// GET /openapi/v2, /openapi/v3 and /openapi/v3/… of each group and version.
import type { OpenApi } from '../openapi/documents.ts';
import { notAcceptable } from '../status/status-error.ts';
import { parseMediaTypes } from './accept.ts';
import { answerText, type Exchange } from './exchange.ts';

/** Answers and returns true when the path is one of OpenAPI. */
export function handleOpenApi(openApi: OpenApi, exchange: Exchange): boolean {
  const { path } = exchange;
  if (path === '/openapi/v2') {
    answerDocument(exchange, openApi.v2());
    return true;
  }
  if (path === '/openapi/v3' || path === '/openapi/v3/') {
    answerDocument(exchange, openApi.index());
    return true;
  }
  const document = path.startsWith('/openapi/v3/') ? openApi.v3(path.slice('/openapi/v3/'.length)) : undefined;
  if (!document) return false;
  answerDocument(exchange, document);
  return true;
}

function answerDocument(exchange: Exchange, { text, hash }: { text: string; hash: string }): void {
  const types = parseMediaTypes(exchange.request.headers.accept || '*/*').map(({ type }) => type);
  if (!types.some((type) => ['application/json', 'application/*', '*/*'].includes(type))) {
    throw notAcceptable('application/json');
  }
  exchange.response.setHeader('Etag', `"${hash}"`);
  if (exchange.request.headers['if-none-match'] === `"${hash}"`) {
    exchange.response.writeHead(304).end();
    return;
  }
  answerText(exchange, 200, text, 'application/json');
}
