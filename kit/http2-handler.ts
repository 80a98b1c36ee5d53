// Serves Connect handlers from a Node HTTP/2 server, with failures in our log: the library's own adapter prints them.
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import { type ConnectRouter, type ConnectRouterOptions, createConnectRouter } from '@connectrpc/connect';
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from '@connectrpc/connect-node';
import type { Logger } from './log.ts';

export function makeHttp2Handler(
  routes: (router: ConnectRouter) => void,
  options: ConnectRouterOptions,
  log: Logger,
): (request: Http2ServerRequest, response: Http2ServerResponse) => void {
  const router = createConnectRouter(options);
  routes(router);
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  return (request, response) => {
    const handler = handlers.get(request.url.split('?', 1)[0] ?? '');
    if (!handler) {
      response.writeHead(404);
      response.end();
      return;
    }
    handler(universalRequestFromNodeRequest(request, response, undefined, undefined))
      .then((answer) => universalResponseToNodeResponse(answer, response))
      // Mostly a client that went away in the middle of an answer.
      .catch((err) => log.debug({ err, rpc: handler.method.name }, 'an answer could not be sent'));
  };
}
