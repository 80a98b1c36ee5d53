// A connection to a port inside a machine (api/rest/tunnel.ts), as a stream.
import type { Duplex } from 'node:stream';
import { maxTunnelMessageBytes, tunnelSubprotocol } from '@tvm/api/rest/tunnel.ts';
import { tunnelStream } from '@tvm/kit/tunnel-stream.ts';
import type { Endpoint } from './endpoint.ts';
import { connectSocket, opened } from './stream-connection.ts';

/** Throws TvmError, the server's own when it refused. */
export async function openTunnel(endpoint: Endpoint, path: string): Promise<Duplex> {
  const socket = connectSocket(endpoint, path, {
    subprotocol: tunnelSubprotocol,
    maxMessageBytes: maxTunnelMessageBytes,
  });
  // Before the first message can come.
  const stream = new Promise<Duplex>((resolve) => socket.once('open', () => resolve(tunnelStream(socket))));
  await opened(socket, endpoint, path);
  return stream;
}
