// The REST server: the application and the WebSocket streams on one port.
import type { Server } from 'node:http';
import { createAdaptorServer } from '@hono/node-server';
import { type ListenAddress, listen } from '@tvm/kit/listen.ts';
import { closeServer, type RunningServer } from '@tvm/kit/metrics.ts';
import { type AppDeps, makeApp } from './app.ts';
import { acceptSockets, type SocketServerDeps } from './socket-server.ts';

const headersTimeoutMs = 10_000;
/** For the whole of an upload. */
const requestTimeoutMs = 3_600_000;

const lookForIdleMs = 100;

export interface RunningRest extends RunningServer {
  /** Takes no more connections. Resolves when the last has ended; those without a request under way end at once. */
  takeNoMore(): Promise<void>;
}

export async function serveRest(deps: AppDeps & SocketServerDeps, address: ListenAddress): Promise<RunningRest> {
  const app = makeApp(deps);
  const server = createAdaptorServer({
    fetch: app.fetch,
    serverOptions: {
      headersTimeout: headersTimeoutMs,
      requestTimeout: requestTimeoutMs,
      keepAliveTimeout: 65_000,
      maxHeaderSize: 16_384,
    },
  }) as Server;
  const sockets = acceptSockets(server, deps);
  const url = await listen(server, address);
  return {
    url,
    takeNoMore: () =>
      new Promise((resolve) => {
        const looking = setInterval(() => server.closeIdleConnections(), lookForIdleMs);
        server.close(() => {
          clearInterval(looking);
          resolve();
        });
      }),
    async [Symbol.asyncDispose]() {
      sockets[Symbol.dispose]();
      await closeServer(server);
    },
  };
}
