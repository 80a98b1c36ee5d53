// Metrics of one process in the Prometheus format: a registry that is handed around, and the server that shows it.
import { createServer } from 'node:http';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { type ListenAddress, listen } from './listen.ts';

export { Counter, Gauge, Histogram, type Registry };

export function makeRegistry(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return registry;
}

export interface RunningServer extends AsyncDisposable {
  url: string;
}

/** Serves GET /metrics. */
export async function serveMetrics(registry: Registry, address: ListenAddress): Promise<RunningServer> {
  const server = createServer(async (request, response) => {
    if (request.url !== '/metrics') {
      response.writeHead(404).end();
      return;
    }
    try {
      const text = await registry.metrics();
      response.writeHead(200, { 'content-type': registry.contentType }).end(text);
    } catch (error) {
      response.writeHead(500).end(String(error));
    }
  });
  const url = await listen(server, address);
  return { url, [Symbol.asyncDispose]: () => closeServer(server) };
}

export async function closeServer(server: ReturnType<typeof createServer>): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeAllConnections();
  await closed;
}
