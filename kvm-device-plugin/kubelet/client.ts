// Calls to the kubelet, over its two Unix sockets.
import { connect } from 'node:net';
import { join } from 'node:path';
import { createClient, type Transport } from '@connectrpc/connect';
import { createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node';
import { Registration } from '@tvm/api/gen/kubelet/deviceplugin/v1beta1/deviceplugin_pb.js';
import { PodResourcesLister } from '@tvm/api/gen/kubelet/podresources/v1/podresources_pb.js';
import { fromConnectError } from '@tvm/api/rpc-errors.ts';
import { resourceName } from '../permits.ts';

const baseUrl = 'http://localhost';
const registerTimeoutMs = 15_000;
const listTimeoutMs = 3000;
/** The kubelet's own limit. */
const maxMessageBytes = 16 * 1024 * 1024;

/** Where the kubelet keeps what. */
export function kubeletPaths(kubeletFolder: string) {
  const folder = join(kubeletFolder, 'device-plugins');
  return {
    folder,
    registration: join(folder, 'kubelet.sock'),
    podResources: join(kubeletFolder, 'pod-resources/kubelet.sock'),
  };
}

/** Asks the kubelet on `socket` to use the plugin that answers on `endpoint` beside it. Throws TvmError. */
export async function register(socket: string, endpoint: string): Promise<void> {
  await withKubelet(socket, (transport) =>
    createClient(Registration, transport).register(
      { version: 'v1beta1', endpoint, resourceName, options: {} },
      { timeoutMs: registerTimeoutMs },
    ),
  );
}

export interface Holder {
  namespace: string;
  pod: string;
  container: string;
  permits: number;
}

/** The containers that hold permits, as the kubelet on `socket` knows them. Throws TvmError. */
export async function listHolders(socket: string): Promise<Holder[]> {
  const { podResources } = await withKubelet(socket, (transport) =>
    createClient(PodResourcesLister, transport).list({}, { timeoutMs: listTimeoutMs }),
  );
  return podResources.flatMap(({ namespace, name: pod, containers }) =>
    containers.flatMap(({ name: container, devices }) => {
      const held = devices.filter((entry) => entry.resourceName === resourceName).flatMap((entry) => entry.deviceIds);
      return held.length === 0 ? [] : [{ namespace, pod, container, permits: new Set(held).size }];
    }),
  );
}

/** A connection for one call: whoever listens on the socket next is another kubelet. */
async function withKubelet<T>(socket: string, call: (transport: Transport) => Promise<T>): Promise<T> {
  const nodeOptions = { createConnection: () => connect(socket) };
  const sessionManager = new Http2SessionManager(baseUrl, {}, nodeOptions);
  try {
    return await call(createGrpcTransport({ baseUrl, sessionManager, readMaxBytes: maxMessageBytes }));
  } catch (error) {
    throw fromConnectError(error);
  } finally {
    sessionManager.abort();
  }
}
