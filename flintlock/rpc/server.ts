// The Flintlock service over HTTP/2: cleartext on what only this host reaches, else TLS with a caller that proves itself.
// Invariant: closing ends every connection, so that the process can end.
import { createServer, type Http2SecureServer, type Http2Server, type ServerHttp2Session } from 'node:http2';
import type { ConnectRouter } from '@connectrpc/connect';
import { Flintlock } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import { makeHttp2Handler } from '@tvm/kit/http2-handler.ts';
import type { Logger } from '@tvm/kit/log.ts';
import { tracedHandlers } from '@tvm/kit/tracing/rpc.ts';
import type { Tracing } from '@tvm/kit/tracing/tracing.ts';
import type { SnapshotStore } from '../snapshots/snapshot-store.ts';
import { type Address, listen } from './address.ts';
import { makeDiskCalls } from './disk-calls.ts';
import { makeErrorInterceptor } from './error-interceptor.ts';
import { makeGuestCalls } from './guest-calls.ts';
import { makeMachineCalls } from './machine-calls.ts';
import { makeNodeCalls, type NodeCallsDeps } from './node-calls.ts';
import { makePortCalls } from './port-calls.ts';
import { isCaller, makeTlsServer } from './tls.ts';

export interface ServerDeps extends NodeCallsDeps {
  snapshots: SnapshotStore;
  /** With the certificates to serve with; undefined: cleartext. */
  tlsFolder: string | undefined;
  log: Logger;
  /** Undefined: nothing is traced. */
  tracing?: Tracing | undefined;
}

export interface RpcServer extends AsyncDisposable {
  /** `unix:/path` or `host:port`, with the port that was chosen. */
  address: string;
}

const maxMessageBytes = 4 * 1024 * 1024;

export async function serve(deps: ServerDeps, address: Address): Promise<RpcServer> {
  const { machines, snapshots, driver } = deps;
  const routes = (router: ConnectRouter) => {
    router.service(Flintlock, {
      ...makeNodeCalls(deps),
      ...makeMachineCalls(machines, snapshots, deps.drain),
      ...makeGuestCalls(machines, driver, deps.tracing),
      ...makePortCalls(machines),
      ...makeDiskCalls(machines, deps.disks),
    });
  };
  const errors = makeErrorInterceptor((thrown) => machines.explain(thrown));
  const interceptors = [errors, ...(deps.tracing ? [tracedHandlers(deps.tracing)] : [])];
  const options = { interceptors, readMaxBytes: maxMessageBytes, acceptCompression: [] };
  await using opened = new AsyncDisposableStack();
  const handle = makeHttp2Handler(routes, options, deps.log);
  const server = deps.tlsFolder ? opened.use(makeTlsServer(deps.tlsFolder, deps.log)) : createServer();
  server.on('request', handle);
  opened.use(closingSessions(server, deps));
  const bound = await listen(server, address);
  const kept = opened.move();
  return { address: bound, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

function closingSessions(
  server: Http2Server | Http2SecureServer,
  { tlsFolder, log }: Pick<ServerDeps, 'tlsFolder' | 'log'>,
): AsyncDisposable {
  const sessions = new Set<ServerHttp2Session>();
  server.on('session', (session) => {
    if (tlsFolder && !isCaller(session)) {
      log.warn({ from: session.socket.remoteAddress }, 'a caller with the name of another was turned away');
      session.destroy();
      return;
    }
    sessions.add(session);
    session.on('close', () => sessions.delete(session));
  });
  return {
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const session of sessions) session.destroy();
      await closed;
    },
  };
}
