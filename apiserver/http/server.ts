// The HTTPS listener: limits on headers and time, one exchange a request.

import { once } from 'node:events';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { TvmError } from '@tvm/api/errors.ts';
import { type Exchange, makeExchange } from './exchange.ts';

export interface ServerOptions {
  host: string;
  /** 0: any free port. */
  port: number;
  /** PEM. */
  certificate: string;
  key: string;
  handle: (exchange: Exchange) => Promise<void>;
}

export interface ApiServer extends AsyncDisposable {
  port: number;
  /** Uses another certificate for connections to come. */
  renew(certificate: string, key: string): void;
}

const headersTimeoutMs = 10_000;
/** For a request to arrive whole; answers may take as long as a watch. */
const requestTimeoutMs = 60_000;
const closeGraceMs = 1_000;
/** So that a watch whose client vanished ends. */
const peerCheckMs = 30_000;
const maximumConnections = 1024;

/** A listening server. Throws TvmError `unavailable` when the address is taken. */
export async function startServer(options: ServerOptions): Promise<ApiServer> {
  const { host, port, certificate, key, handle } = options;
  const server = createServer({
    cert: certificate,
    key,
    minVersion: 'TLSv1.2',
    ALPNProtocols: ['http/1.1'],
    headersTimeout: headersTimeoutMs,
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: 120_000,
    maxHeaderSize: 32 * 1024,
    keepAlive: true,
    keepAliveInitialDelay: peerCheckMs,
  });
  server.maxConnections = maximumConnections;
  server.on('request', (request, response) => {
    response.on('error', () => response.destroy());
    void handle(makeExchange(request, response));
  });
  server.on('clientError', (_error, socket) => socket.destroy());
  server.listen(port, host);
  try {
    await once(server, 'listening');
  } catch (cause) {
    throw new TvmError('unavailable', `cannot listen on ${host}:${port}`, {
      cause,
      hint: 'choose another address in TVM_APISERVER_LISTEN',
    });
  }
  return {
    port: (server.address() as AddressInfo).port,
    renew: (cert, newKey) => server.setSecureContext({ cert, key: newKey }),
    [Symbol.asyncDispose]: () => close(server),
  };
}

/** Lets answers end for a moment, then cuts the watches. */
async function close(server: Server): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  server.closeIdleConnections();
  const timer = setTimeout(() => server.closeAllConnections(), closeGraceMs);
  await closed;
  clearTimeout(timer);
}
