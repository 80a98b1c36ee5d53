// Health of one process: /livez (also /healthz) says that its event loop turns, /readyz that everything it needs does too.
import { createServer } from 'node:http';
import { type ListenAddress, listen } from './listen.ts';
import { closeServer, type RunningServer } from './metrics.ts';

/** Says why not ready, or undefined when ready. */
export type HealthCheck = () => string | undefined;

/**
 * Serves GET /livez and GET /readyz: 200, or 503 with one line a check that fails. `notes` are checks that are told there
 * and keep it ready.
 */
export async function serveHealth(
  checks: Record<string, HealthCheck>,
  address: ListenAddress,
  notes: Record<string, HealthCheck> = {},
): Promise<RunningServer> {
  const server = createServer((request, response) => {
    if (request.url === '/livez' || request.url === '/healthz') response.end('ok\n');
    else if (request.url === '/readyz') {
      const failing = linesOf(checks);
      const lines = [...failing, ...linesOf(notes)];
      response.writeHead(failing.length === 0 ? 200 : 503).end(lines.join('') || 'ok\n');
    } else response.writeHead(404).end();
  });
  const url = await listen(server, address);
  return { url, [Symbol.asyncDispose]: () => closeServer(server) };
}

function linesOf(checks: Record<string, HealthCheck>): string[] {
  return Object.entries(checks).flatMap(([name, check]) => {
    const why = check();
    return why === undefined ? [] : [`${name}: ${why}\n`];
  });
}
