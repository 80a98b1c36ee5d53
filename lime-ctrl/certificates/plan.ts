// What to do next so that lime-ctrl and the flintlocks can prove themselves to each other: a pure function. Certificates are
// renewed at two thirds of their life. Invariant: whatever the step, and if the next one never comes, each side trusts what
// the other shows, because a new authority signs nothing before all have been told to trust it, for overlapMs.
//
//   no authority, or due ──▶ makeAuthority ──▶ trust (both Secrets) ──overlapMs──▶ issue (both, signed by the new one)
//   a certificate missing, broken or due ──────────────────────────────────────▶ issue
import {
  certificatesIn,
  coversHosts,
  isCurrent,
  isSignedBy,
  isWhole,
  type KeyPair,
  renewalMsOf,
} from '@tvm/kit/certificates/inspect.ts';

/** `client`: lime-ctrl's, `server`: the flintlocks'. */
export const sides = ['client', 'server'] as const;
export type Side = (typeof sides)[number];

/** How long the kubelets and replicas may take to pass a changed Secret on. */
export const overlapMs = 900_000;

/** A Secret with a certificate, and with the authorities that its owner trusts. */
export interface Holding extends KeyPair {
  authorities: string;
  /** Since when it says to trust them; NaN: it does not say. */
  trustedSinceMs: number;
}

export interface Observed {
  /** The newest authority and, in `authorities`, all that are trusted. */
  authority: Omit<Holding, 'trustedSinceMs'> | undefined;
  client: Holding | undefined;
  server: Holding | undefined;
  /** What the server's certificate is for. */
  hosts: readonly string[];
  nowMs: number;
}

export type Action =
  /** `trusted`: those before it, of which certificates may still be in use. */
  | { type: 'makeAuthority'; trusted: string[] }
  /** A new certificate by the newest authority. */
  | { type: 'issue'; side: Side }
  /** The same certificate, and the authorities of now. */
  | { type: 'trust'; side: Side };

/** Undefined: nothing is to do. */
export function planCertificates(observed: Observed): Action | undefined {
  const { authority, nowMs } = observed;
  if (!authority || !isWhole(authority) || isDue(authority, nowMs)) {
    return { type: 'makeAuthority', trusted: trustedNow(observed) };
  }
  const broken = sides.find((side) => !isUsable(observed, side));
  if (broken) return { type: 'issue', side: broken };
  const ignorant = sides.find((side) => !trustsAll(observed[side], authority.authorities));
  if (ignorant) return { type: 'trust', side: ignorant };
  const due = sides.find((side) => shouldReplace(observed, side));
  return due && { type: 'issue', side: due };
}

function isDue({ certificate }: KeyPair, nowMs: number): boolean {
  return !isCurrent(certificate, nowMs) || nowMs >= renewalMsOf(certificate);
}

function trustedNow({ authority, client, server, nowMs }: Observed): string[] {
  const all = [authority, client, server].flatMap((each) => certificatesIn(each?.authorities ?? ''));
  return [...new Set(all)].filter((each) => isCurrent(each, nowMs));
}

/** Whether the other side takes it now. */
function isUsable({ authority, nowMs, hosts, ...observed }: Observed, side: Side): boolean {
  const held = observed[side];
  if (!held || !isWhole(held) || !isCurrent(held.certificate, nowMs)) return false;
  const trusted = certificatesIn(authority?.authorities ?? '').some((each) => isSignedBy(held.certificate, each));
  return trusted && (side === 'client' || coversHosts(held.certificate, hosts));
}

function trustsAll(held: Holding | undefined, authorities: string): boolean {
  return held !== undefined && held.authorities === authorities && !Number.isNaN(held.trustedSinceMs);
}

function shouldReplace({ authority, client, server, nowMs }: Observed, side: Side): boolean {
  const held = side === 'client' ? client : server;
  if (!authority || !held) return false;
  if (isSignedBy(held.certificate, authority.certificate)) return isDue(held, nowMs);
  const knownMs = Math.max(client?.trustedSinceMs ?? nowMs, server?.trustedSinceMs ?? nowMs);
  return nowMs - knownMs >= overlapMs;
}
