// What answers the requests of sessions that the gateway let in: the endpoint with the tools, and the bridge to MCP servers
// inside the machines. This file only wires.
import type { Clock } from '@tvm/kit/clock.ts';
import type { KubeClient } from '@tvm/kit/kube/client.ts';
import type { Logger } from '@tvm/kit/log.ts';
import type { Fleet } from '../flintlock/fleet.ts';
import { makeBridge } from './bridge/bridge.ts';
import { type EndpointExtension, makeMcpEndpoint } from './endpoint.ts';
import type { GatewayHandlers } from './gateway.ts';
import type { SessionKeys } from './sessions/keys.ts';

export interface HandlersDeps {
  client: KubeClient;
  fleet: Fleet;
  clock: Clock;
  log: Logger;
  /** Of this program. */
  version: string;
  /** Its name among others. */
  replica: string;
  /** The longest life of a URL of a port; 0: none are given out. Default: an hour. */
  portUrlSeconds?: number;
  /** Tests only. */
  extension?: EndpointExtension;
}

/** Ends what they hold when they are disposed of. */
export function makeMcpHandlers(
  { client, fleet, clock, log, version, replica, portUrlSeconds, extension }: HandlersDeps,
  keys: SessionKeys,
): GatewayHandlers & AsyncDisposable {
  const endpoint = makeMcpEndpoint({
    clock,
    log,
    version,
    replica,
    client,
    clientOf: fleet.client,
    machineOf: fleet.machine,
    keys: (missed) => keys.derived('mcp', missed),
    ...(portUrlSeconds !== undefined && { portUrlSeconds }),
    ...(extension && { extension }),
  });
  const bridge = makeBridge({ clock, log, replica, clientOf: fleet.client });
  return {
    endpoint: endpoint.handle,
    transfer: endpoint.transfer,
    bridge: bridge.handle,
    claim: ({ uid, server }, connectionId, message) =>
      (server === undefined ? endpoint : bridge).claim(uid, connectionId, message),
    async endSession(uid) {
      await Promise.all([endpoint.endSession(uid), bridge.endSession(uid)]);
    },
    release: endpoint.release,
    async [Symbol.asyncDispose]() {
      await Promise.all([endpoint[Symbol.asyncDispose](), bridge[Symbol.asyncDispose]()]);
    },
  };
}
