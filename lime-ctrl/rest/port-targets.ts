// Which port of which machine a request is for, and whether its caller may. Invariants: rights are checked before anything about
// the machine is told, and a URL is good for one start of one machine; a machine that rests is resumed.
import { TvmError } from '@tvm/api/errors.ts';
import type { MicroVm } from '@tvm/api/kinds/microvm.ts';
import { namespaceHeader, portNumber } from '@tvm/api/rest/ports.ts';
import type { Reflector } from '@tvm/kit/controller/reflector.ts';
import type { Access, Caller } from '../access/access.ts';
import { questionsOf, rulesOf } from '../access/route-rules.ts';
import type { PortTarget } from '../ports/ask-guest.ts';
import { dialPort } from '../ports/port-socket.ts';
import { openPortUrl, type PortUrlDeps, portUrlOver } from '../ports/port-urls.ts';
import { check, namespaceOf } from './endpoint.ts';
import { type FoundMachine, findMachineToUse, type LookupDeps, machineToUse } from './machine-lookup.ts';
import { namespaceQuery } from './microvm-routes.ts';

/** Rules of these hold for every method. */
export const proxyRoutes = ['/v1/microvms/{name}/ports/{port}/{path}'] as const;

export interface PortTargetDeps extends LookupDeps {
  access: Access;
  microVms: Pick<Reflector<MicroVm>, 'get'>;
  portUrls: PortUrlDeps & {
    /** The public URL of this server, without a slash at its end; known once it listens. */
    base: Promise<string>;
  };
}

/** What a path says. `rest` is the guest's path; undefined when the path ends before it. */
export type PortPlace =
  | { by: 'name'; prefix: string; name: string; port: string; rest: string | undefined }
  | { by: 'url'; prefix: string; sealed: string; rest: string | undefined };

const named = /^(\/v1\/microvms\/([^/]+)\/ports\/([^/]+))(\/.*)?$/s;
const sealedUrl = /^(\/ports\/([^/]+))(\/.*)?$/s;

/** undefined for a path that is about no port. */
export function portPlaceOf(pathname: string): PortPlace | undefined {
  const byName = named.exec(pathname);
  if (byName) {
    const [, prefix = '', name = '', port = '', rest] = byName;
    return { by: 'name', prefix, name: decoded(name), port, rest };
  }
  const [, prefix = '', sealed = '', rest] = sealedUrl.exec(pathname) ?? [];
  return prefix === '' ? undefined : { by: 'url', prefix, sealed, rest };
}

/** A path as it stands in a URL. Throws invalid_argument. */
export function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch (cause) {
    throw new TvmError('invalid_argument', `the name ${part} is not UTF-8`, { cause });
  }
}

/** Throws invalid_argument. */
export function parsePort(text: string): number {
  const port = /^[1-9]\d{0,4}$/.test(text) ? Number(text) : 0;
  if (portNumber.safeParse(port).success) return port;
  throw new TvmError('invalid_argument', `"${text}" is not a port: a number from 1 to 65535`);
}

export interface Admitted {
  target: PortTarget;
  /** Aborts when the caller may call no longer. */
  until: AbortSignal | undefined;
}

/** Throws what says why the caller may not, or why there is no such machine. `authenticate` is asked for a place by name alone. */
export async function admitToPort(
  deps: PortTargetDeps,
  place: PortPlace,
  request: { search: string; header: (name: string) => string | undefined; authenticate: () => Promise<Caller> },
): Promise<Admitted> {
  const base = new URL(await deps.portUrls.base).pathname.replace(/\/$/, '');
  const path = `${place.rest ?? '/'}${request.search}`;
  const at = { prefix: base + place.prefix, path, anyOrigin: place.by === 'url' };
  if (place.by === 'url') {
    const { found, port, untilMs } = await machineOfUrl(deps, place.sealed);
    const leftMs = Math.max(0, untilMs - deps.portUrls.clock.now());
    return { target: targetOf(found, port, at), until: AbortSignal.timeout(leftMs) };
  }
  const caller = await request.authenticate();
  const given = request.header(namespaceHeader);
  const namespace = namespaceOf(check(namespaceQuery, given === undefined ? {} : { namespace: given }, 'header'), {});
  const { name } = place;
  await deps.access.authorize(caller, questionsOf(rulesOf(`ANY ${proxyRoutes[0]}`), { namespace, name }));
  const port = parsePort(place.port);
  return { target: targetOf(await findMachineToUse(deps, namespace, name), port, at), until: undefined };
}

function targetOf({ client, uid }: FoundMachine, port: number, at: Omit<PortTarget, 'port' | 'dial'>): PortTarget {
  return { ...at, port, dial: (signal) => dialPort(client, uid, port, signal) };
}

async function machineOfUrl(deps: PortTargetDeps, sealed: string) {
  const { namespace, name, uid, startedAtMs, port, untilMs } = await openPortUrl(deps.portUrls, sealed);
  const vm = deps.microVms.get(`${namespace}/${name}`);
  const placed = deps.fleet.machine(uid);
  const isSame = vm?.metadata.uid === uid && String(placed?.machine.startedAtMs) === startedAtMs;
  if (!vm || !isSame) throw portUrlOver();
  return { found: await machineToUse(deps, vm), port, untilMs };
}
