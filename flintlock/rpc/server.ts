// The Flintlock service over HTTP/2 cleartext. Invariant: closing ends every connection, so that the process can end.
import { createServer, type ServerHttp2Session } from 'node:http2';
import type { ConnectRouter } from '@connectrpc/connect';
import { Flintlock } from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import type { Logger } from '@tvm/kit/log.ts';
import type { SnapshotStore } from '../snapshots/snapshot-store.ts';
import { type Address, listen } from './address.ts';
import { errorInterceptor } from './error-interceptor.ts';
import { makeGuestCalls } from './guest-calls.ts';
import { makeHttp2Handler } from './http2-handler.ts';
import { makeMachineCalls } from './machine-calls.ts';
import { makeNodeCalls, type NodeCallsDeps } from './node-calls.ts';

export interface ServerDeps extends NodeCallsDeps {
  snapshots: SnapshotStore;
  log: Logger;
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
      ...makeMachineCalls(machines, snapshots),
      ...makeGuestCalls(machines, driver),
    });
  };
  const options = { interceptors: [errorInterceptor], readMaxBytes: maxMessageBytes, acceptCompression: [] };
  const sessions = new Set<ServerHttp2Session>();
  const server = createServer(makeHttp2Handler(routes, options, deps.log));
  server.on('session', (session) => {
    sessions.add(session);
    session.on('close', () => sessions.delete(session));
  });
  const bound = await listen(server, address);
  return {
    address: bound,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      for (const session of sessions) session.destroy();
      await closed;
    },
  };
}
