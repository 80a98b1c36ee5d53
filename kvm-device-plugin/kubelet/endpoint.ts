// The plugin's own socket, which the kubelet calls. Invariant: once it is closed no call goes on and its file is gone.
import { once } from 'node:events';
import { chmod, rm } from 'node:fs/promises';
import { createServer, type ServerHttp2Session } from 'node:http2';
import { join } from 'node:path';
import type { ConnectRouter } from '@connectrpc/connect';
import { DevicePlugin } from '@tvm/api/gen/kubelet/deviceplugin/v1beta1/deviceplugin_pb.js';
import { toConnectError } from '@tvm/api/rpc-errors.ts';
import { makeHttp2Handler } from '@tvm/kit/http2-handler.ts';
import type { Logger } from '@tvm/kit/log.ts';
import type { PluginCalls } from '../plugin-calls.ts';

/** Many times the ids of every permit. */
const maxMessageBytes = 1024 * 1024;

export interface EndpointDeps {
  calls: PluginCalls;
  log: Logger;
  /** The kubelet began, or ended, to watch. */
  onWatch: () => void;
}

export interface Endpoint extends AsyncDisposable {
  /** The socket's file name. */
  name: string;
  path: string;
  watch(): 'none yet' | 'open' | 'ended';
}

/** Listens on `folder`/`name`. Throws the system's error. */
export async function openEndpoint(
  folder: string,
  name: string,
  { calls, log, onWatch }: EndpointDeps,
): Promise<Endpoint> {
  const path = join(folder, name);
  const closing = new AbortController();
  let opened = 0;
  let open = 0;

  async function* listAndWatch(signal: AbortSignal) {
    opened += 1;
    open += 1;
    onWatch();
    try {
      yield* calls.listAndWatch(AbortSignal.any([signal, closing.signal]));
    } finally {
      open -= 1;
      onWatch();
    }
  }

  const routes = (router: ConnectRouter) => {
    router.service(DevicePlugin, {
      getDevicePluginOptions: () => ({}),
      listAndWatch: (_, { signal }) => listAndWatch(signal),
      allocate: ({ containerRequests }) =>
        calls.allocate(containerRequests).catch((error) => {
          throw toConnectError(error);
        }),
    });
  };
  const sessions = new Set<ServerHttp2Session>();
  const server = createServer(makeHttp2Handler(routes, { acceptCompression: [], readMaxBytes: maxMessageBytes }, log));
  server.on('session', (session) => {
    sessions.add(session);
    session.on('close', () => sessions.delete(session));
  });
  server.listen(path);
  await once(server, 'listening');
  const endpoint: Endpoint = {
    name,
    path,
    watch: () => (open > 0 ? 'open' : opened > 0 ? 'ended' : 'none yet'),
    async [Symbol.asyncDispose]() {
      closing.abort();
      const closed = new Promise((resolve) => server.close(resolve));
      for (const session of sessions) session.destroy();
      await closed;
      await rm(path, { force: true });
    },
  };
  try {
    await chmod(path, 0o600);
    return endpoint;
  } catch (error) {
    // A kubelet that starts removes what it finds in the folder.
    await endpoint[Symbol.asyncDispose]();
    throw error;
  }
}
