// URLs of ports that need no token: each names one port of one start of one machine and an end, and nobody can make another of
// it. Invariants: one that is over and one that never was look the same; none lives longer than an hour.
import { TvmError } from '@tvm/api/errors.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import { z } from 'zod';
import type { PlacedMachine } from '../flintlock/fleet.ts';
import type { Seal } from '../mcp/seal.ts';

export const portUrlsPath = '/ports/';
export const defaultPortUrlSeconds = 900;
const purpose = 'port';

const grant = z.object({
  namespace: z.string(),
  /** Of the MicroVM. */
  name: z.string(),
  uid: z.string(),
  /** When its machine started: another start is another machine. */
  startedAtMs: z.string(),
  port: z.int(),
  untilMs: z.number(),
});
export type PortGrant = z.infer<typeof grant>;

export interface PortUrlDeps {
  seal: Seal;
  clock: Clock;
  /** Of a URL, in seconds; 0: none are given out, and none hold. */
  portUrlSeconds: number;
}

export interface PortUrlRequest {
  namespace: string;
  name: string;
  machine: PlacedMachine['machine'];
  port: number;
  /** Default: 15 minutes, or the longest that is allowed. */
  ttlSeconds?: number | undefined;
}

export interface PortUrl {
  url: string;
  expiresAtMs: number;
}

/** `base`: the public URL of this server. Throws failed_precondition where none are given out, invalid_argument for too long a life. */
export async function makePortUrl(
  { seal, clock, portUrlSeconds: longest }: PortUrlDeps,
  base: string,
  request: PortUrlRequest,
): Promise<PortUrl> {
  const { namespace, name, machine, port, ttlSeconds = Math.min(defaultPortUrlSeconds, longest) } = request;
  if (longest === 0) {
    throw new TvmError('failed_precondition', 'URLs of ports are switched off here', {
      reason: 'PortUrlsOff',
      hint: `TVM_PORT_URL_SECONDS allows them; "vvm port ${name} ${port}" needs none.`,
    });
  }
  if (ttlSeconds > longest) {
    throw new TvmError('invalid_argument', `a URL of a port lasts ${longest} seconds at most, not ${ttlSeconds}`);
  }
  const untilMs = clock.now() + ttlSeconds * 1000;
  const { uid } = machine;
  const given: PortGrant = { namespace, name, uid, startedAtMs: String(machine.startedAtMs), port, untilMs };
  return { url: `${base}${portUrlsPath}${await seal.close(purpose, '', given)}/`, expiresAtMs: untilMs };
}

/** What `sealed` allows now; throws not_found for what allows nothing. */
export async function openPortUrl({ seal, clock, portUrlSeconds }: PortUrlDeps, sealed: string): Promise<PortGrant> {
  const opened = grant.safeParse(await seal.open(purpose, '', sealed));
  const leftMs = opened.success ? opened.data.untilMs - clock.now() : 0;
  if (!opened.success || leftMs <= 0 || leftMs > portUrlSeconds * 1000) throw portUrlOver();
  return opened.data;
}

export function portUrlOver(): TvmError {
  return new TvmError('not_found', 'this URL of a port is over, or never was', {
    hint: 'Get another: "vvm port NAME PORT --url", or the tool expose_port.',
  });
}
