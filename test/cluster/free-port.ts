// Ports of 127.0.0.1 that nobody listens on, for programs that must be told theirs.
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';

/** `count` different free ports; they are held together, so that none is given twice. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, listen));
  const ports = servers.map(portOf);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** Below those that the kernel gives to outgoing connections: one of them could take the port before its program does. */
const range = { first: 20_000, last: 29_999 };
const mostTries = 100;

async function listen(): Promise<Server> {
  for (let tries = 1; ; tries += 1) {
    try {
      const server = createServer().listen(randomInt(range.first, range.last + 1), '127.0.0.1');
      await once(server, 'listening');
      return server;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || tries === mostTries) throw error;
    }
  }
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not listening');
  return address.port;
}
