// Servers behind clients of 2026-07-28, whose requests are independent of each other: one server for each caller of a session,
// since what it remembers is theirs. A server of 2025-11-25 is told once what its client can do, so there it is one for each
// set of capabilities too. Invariant: a server is started once for however many requests that come at the same time.
import type { Clock } from '@tvm/kit/clock.ts';
import type { Child } from './child.ts';
import type { ClientFacts, Era } from './eras.ts';
import { type Mux, makeMux } from './mux.ts';
import { openModern } from './negotiate.ts';

/** Who a server is for. */
export interface Owner {
  sessionUid: string;
  caller: string;
  serverName: string;
}

export interface SharedServer {
  owner: Owner;
  mux: Mux;
  machineUid: string;
  usedAtMs: number;
}

export interface SharedServers {
  /** `start` starts the server in the machine of this uid, when none runs there. Throws why it cannot be used. */
  get(owner: Owner, client: ClientFacts, machineUid: string, start: () => Promise<Child>): Promise<SharedServer>;
  all(): SharedServer[];
  end(server: SharedServer): void;
}

export function makeSharedServers(clock: Clock): SharedServers {
  const servers = new Map<string, SharedServer>();
  const opening = new Map<string, Promise<SharedServer>>();
  const eras = new Map<string, Era>();

  const nameOf = ({ sessionUid, caller, serverName }: Owner) => JSON.stringify([sessionUid, caller, serverName]);

  const keyOf = (name: string, { capabilities }: ClientFacts) =>
    eras.get(name) === 'modern' ? name : `${name} ${JSON.stringify(capabilities)}`;

  async function open(owner: Owner, client: ClientFacts, start: () => Promise<Child>): Promise<SharedServer> {
    const name = nameOf(owner);
    let child: Child | undefined;
    const startChild = async () => {
      child = await start();
      return child;
    };
    try {
      const { wire, era } = await openModern(startChild, client, eras.get(name), clock);
      eras.set(name, era);
      const machineUid = child?.machineUid ?? '';
      const server = { owner, mux: makeMux(wire), machineUid, usedAtMs: clock.now() };
      const key = keyOf(name, client);
      servers.set(key, server);
      void server.mux.ended.then(() => {
        if (servers.get(key) === server) servers.delete(key);
      });
      return server;
    } catch (thrown) {
      child?.end();
      throw thrown;
    }
  }

  return {
    async get(owner, client, machineUid, start) {
      const name = nameOf(owner);
      for (;;) {
        const found = servers.get(keyOf(name, client));
        if (found?.machineUid === machineUid) {
          found.usedAtMs = clock.now();
          return found;
        }
        found?.mux.end();
        const underWay = opening.get(name);
        if (!underWay) break;
        await underWay.catch(() => undefined);
      }
      const opened = open(owner, client, start).finally(() => opening.delete(name));
      opening.set(name, opened);
      return opened;
    },
    all: () => [...servers.values()],
    end(server) {
      server.mux.end();
      for (const [key, each] of servers) if (each === server) servers.delete(key);
    },
  };
}
