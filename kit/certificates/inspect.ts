// What a certificate says. Invariant: nothing here throws for text that is no certificate.
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';

/** Both in PEM. */
export interface KeyPair {
  certificate: string;
  key: string;
}

/** When a certificate should be renewed: two thirds of the way through its life, in ms since 1970. 0: it is none. */
export function renewalMsOf(certificate: string): number {
  const parsed = parse(certificate);
  if (!parsed) return 0;
  const [from, to] = [Date.parse(parsed.validFrom), Date.parse(parsed.validTo)];
  return from + ((to - from) * 2) / 3;
}

export function isCurrent(certificate: string, nowMs: number): boolean {
  const parsed = parse(certificate);
  return parsed !== undefined && Date.parse(parsed.validFrom) <= nowMs && nowMs < Date.parse(parsed.validTo);
}

/** Whether the key is the one of the certificate. */
export function isWhole({ certificate, key }: KeyPair): boolean {
  try {
    return parse(certificate)?.checkPrivateKey(createPrivateKey(key)) ?? false;
  } catch {
    return false; // no key, of whatever sort
  }
}

export function isSignedBy(certificate: string, authority: string): boolean {
  const [child, parent] = [parse(certificate), parse(authority)];
  return child !== undefined && parent !== undefined && child.checkIssued(parent) && child.verify(parent.publicKey);
}

export function coversHosts(certificate: string, hosts: readonly string[]): boolean {
  const parsed = parse(certificate);
  const covers = (host: string) => (isIP(host) ? parsed?.checkIP(host) : parsed?.checkHost(host, { subject: 'never' }));
  return hosts.every((host) => covers(host) !== undefined);
}

/** The certificates of a text that holds several, each as PEM of its own. */
export function certificatesIn(bundle: string): string[] {
  const found = bundle.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return found.map((pem) => `${pem}\n`).filter((pem) => parse(pem) !== undefined);
}

function parse(certificate: string): X509Certificate | undefined {
  try {
    return new X509Certificate(certificate);
  } catch {
    return undefined;
  }
}
