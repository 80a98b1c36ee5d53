// Addresses that servers listen on, as people write them: "127.0.0.1:8082", "[::1]:0", "unix:/run/some.sock".
import type { Server } from 'node:net';
import { TvmError } from '@tvm/api/errors.ts';

export type ListenAddress = { path: string } | { host: string; port: number };

/** Throws TvmError invalid_argument. A host is required, so that nothing listens everywhere by accident. */
export function parseListenAddress(text: string): ListenAddress {
  if (text.startsWith('unix:/')) return { path: text.slice('unix:'.length) };
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]/\s]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host !== undefined && port <= 65_535) return { host, port };
  throw new TvmError('invalid_argument', `"${text}" is no address to listen on`, {
    hint: 'Write HOST:PORT (port 0: any) or unix:/ABSOLUTE/PATH.',
  });
}

/** Resolves when the server listens, with the URL it answers at ("http://127.0.0.1:8082"). */
export function listen(server: Server, address: ListenAddress): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      reject(new TvmError('unavailable', `cannot listen on ${JSON.stringify(address)}`, { cause: error }));
    });
    server.listen(address, () => resolve(urlOf(server)));
  });
}

function urlOf(server: Server): string {
  const bound = server.address();
  if (bound === null || typeof bound === 'string') return `unix:${bound}`;
  return `http://${bound.family === 'IPv6' ? `[${bound.address}]` : bound.address}:${bound.port}`;
}
