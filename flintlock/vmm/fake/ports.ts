// What listens in the fake guest: servers in this process, reached through pairs of streams.
// Invariant: a connection ends when its dial is cancelled, and holds no more than the streams' own buffers.
import { createServer } from 'node:http';
import { type Duplex, duplexPair } from 'node:stream';
import { TvmError } from '@tvm/api/errors.ts';
import type { AgentStream } from './stream.ts';

/** Takes over a connection. */
export type FakeServer = (connection: Duplex) => void;
export type FakePorts = Map<number, FakeServer>;

/** Throws already_exists when something listens there. */
export function listenFake(ports: FakePorts, port: number, server: FakeServer): Disposable {
  if (ports.has(port)) throw new TvmError('already_exists', `port ${port} is taken`);
  ports.set(port, server);
  return { [Symbol.dispose]: () => void ports.delete(port) };
}

/** Sends back what comes, and ends when the other side does. */
export const echoServer: FakeServer = (connection) => {
  connection.on('error', () => connection.destroy());
  connection.pipe(connection);
};

/** The guest's files over HTTP, as "python3 -m http.server" does from /. */
export function fileServer(readFile: (path: string) => string | undefined): FakeServer {
  const server = createServer((request, response) => {
    try {
      response.end(readFile(decodeURIComponent(request.url ?? '/')));
    } catch {
      response.writeHead(404).end('not found');
    }
  });
  return (connection) => void server.emit('connection', connection);
}

/** Answers DialPort; throws failed_precondition where nothing listens. */
export async function dialFakePort(ports: FakePorts, port: number, stream: AgentStream): Promise<void> {
  if (port < 1 || port > 65_535) throw new TvmError('invalid_argument', `${port} is not a port`);
  const server = ports.get(port);
  if (!server) {
    const message = `nothing listens on port ${port} of the machine`;
    throw new TvmError('failed_precondition', message, { reason: 'NothingListens' });
  }
  const [near, far] = duplexPair();
  for (const side of [near, far]) {
    side.on('error', () => side.destroy());
    stream.cancelled.signal.addEventListener('abort', () => side.destroy(), { once: true });
  }
  stream.output({ case: 'connected', value: { address: `127.0.0.1:${port}` } });
  server(far);
  await Promise.all([sendAll(near, stream), takeAll(near, stream)]);
}

async function sendAll(from: Duplex, stream: AgentStream): Promise<void> {
  try {
    for await (const data of from.iterator({ destroyOnReturn: false })) await stream.chunks('chunk', data);
  } catch (error) {
    if (stream.open) throw new TvmError('unavailable', 'the connection was lost', { cause: error });
  }
  stream.output({ case: 'end', value: true });
}

async function takeAll(to: Duplex, stream: AgentStream): Promise<void> {
  for (let input = await stream.input(); input.case === 'chunk' && !to.destroyed; input = await stream.input()) {
    const { value } = input;
    await new Promise<void>((resolve) => to.write(value, () => resolve()));
  }
  to.end();
}
