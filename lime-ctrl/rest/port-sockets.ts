// Upgrades that are about ports of machines: WebSockets of the servers that listen there, and tunnels. Invariants: rights are
// checked, and the port is dialled, before the caller is told anything but a refusal; what is open ends with the server.
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { TvmError } from '@tvm/api/errors.ts';
import { maxTunnelMessageBytes, tunnelSubprotocol } from '@tvm/api/rest/tunnel.ts';
import { tunnelStream } from '@tvm/kit/tunnel-stream.ts';
import { WebSocketServer } from 'ws';
import { questionsOf, rulesOf } from '../access/route-rules.ts';
import { dialPort } from '../ports/port-socket.ts';
import { relayUpgrade } from '../ports/upgrade.ts';
import { check, namespaceOf } from './endpoint.ts';
import { findMachineToUse } from './machine-lookup.ts';
import { namespaceQuery } from './microvm-routes.ts';
import { admitToPort, decoded, type PortTargetDeps, parsePort, portPlaceOf } from './port-targets.ts';

export const tunnelRoute = '/v1/microvms/{name}/tunnels/{port}';
const tunnelPath = /^\/v1\/microvms\/([^/]+)\/tunnels\/([^/]+)$/;

interface Caller {
  request: IncomingMessage;
  socket: Duplex;
  head: Buffer;
}

export interface PortSockets extends Disposable {
  /** Serves the upgrade to its end if it is about a port: false if it is not. Throws why it is refused. */
  take(caller: Caller): Promise<boolean>;
}

/** `refuseForeignOrigin` throws for a page of another site: it is asked where the caller's token decides. */
export function makePortSockets(
  deps: PortTargetDeps,
  refuseForeignOrigin: (request: IncomingMessage) => void,
): PortSockets {
  const stop = new AbortController();
  const tunnels = new WebSocketServer({
    noServer: true,
    maxPayload: maxTunnelMessageBytes,
    perMessageDeflate: false,
    handleProtocols: (offered) => offered.has(tunnelSubprotocol) && tunnelSubprotocol,
  });

  async function relay(caller: Caller, url: URL): Promise<boolean> {
    const place = portPlaceOf(url.pathname);
    if (!place) return false;
    const { headers } = caller.request;
    if (place.by === 'name') refuseForeignOrigin(caller.request);
    const { target, until } = await admitToPort(deps, place, {
      search: url.search,
      header: (name) => [headers[name]].flat()[0],
      authenticate: () => deps.access.authenticate(headers.authorization),
    });
    await relayUpgrade(target, caller, until ? AbortSignal.any([until, stop.signal]) : stop.signal);
    return true;
  }

  async function tunnel({ request, socket, head }: Caller, url: URL): Promise<boolean> {
    const [, name, port] = tunnelPath.exec(url.pathname) ?? [];
    if (name === undefined || port === undefined) return false;
    refuseForeignOrigin(request);
    const dialled = await dialForTunnel(deps, request, url, { name: decoded(name), port });
    if (socket.destroyed) dialled.destroy();
    else
      tunnels.handleUpgrade(request, socket, head, (opened) => void join(tunnelStream(opened), dialled, stop.signal));
    return true;
  }

  return {
    async take(caller) {
      const url = new URL(caller.request.url ?? '/', 'http://localhost');
      return (await relay(caller, url)) || (await tunnel(caller, url));
    },
    [Symbol.dispose]() {
      stop.abort();
      tunnels.close();
    },
  };
}

async function dialForTunnel(
  deps: PortTargetDeps,
  request: IncomingMessage,
  url: URL,
  { name, port }: { name: string; port: string },
): Promise<Duplex> {
  const caller = await deps.access.authenticate(request.headers.authorization);
  const namespace = namespaceOf(check(namespaceQuery, Object.fromEntries(url.searchParams), 'query'), {});
  await deps.access.authorize(caller, questionsOf(rulesOf(`CONNECT ${tunnelRoute}`), { namespace, name }));
  const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((each) => each.trim());
  if (!offered.includes(tunnelSubprotocol)) {
    throw new TvmError('invalid_argument', `the subprotocol ${tunnelSubprotocol} is not offered`);
  }
  const { client, uid } = await findMachineToUse(deps, namespace, name);
  return dialPort(client, uid, parsePort(port));
}

async function join(caller: Duplex, port: Duplex, signal: AbortSignal): Promise<void> {
  // How either side ended is for the protocol that they speak; what broke, the caller hears by the close code.
  await Promise.all([pipeline(caller, port, { signal }), pipeline(port, caller, { signal })]).catch((error: Error) => {
    caller.destroy(error);
  });
  caller.destroy();
  port.destroy();
}
