// The server's own authority and its serving certificate: made when missing, renewed before they end.
// Invariant: keys are never readable by others, and a file is whole or absent.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  coversHosts,
  isCurrent,
  isSignedBy,
  isWhole,
  type KeyPair,
  renewalMsOf,
} from '@tvm/kit/certificates/inspect.ts';
import { issueCertificate, makeAuthority } from '@tvm/kit/certificates/issue.ts';
import { writePrivateFile } from './private-file.ts';

export interface ServingFiles {
  /** PEM. */
  ca: string;
  certificate: string;
  key: string;
  /** When the serving certificate should be renewed, in ms since 1970. */
  renewAtMs: number;
}

const dayMs = 86_400_000;
const authorityMs = 3650 * dayMs;
const servingMs = 365 * dayMs;

/** Reads or makes the certificates in `folder` for a server under these host names and addresses. */
export async function ensureCertificates(
  folder: string,
  hosts: readonly string[],
  nowMs: number,
): Promise<ServingFiles> {
  const authority =
    readPair(folder, 'ca', nowMs) ??
    writePair(folder, 'ca', await makeAuthority('tvm-apiserver-ca', nowMs, authorityMs));
  const known = readPair(folder, 'server', nowMs);
  const usable = known && isSignedBy(known.certificate, authority.certificate) && coversHosts(known.certificate, hosts);
  const issue = { authority, commonName: 'tvm-apiserver', hosts, use: 'server', nowMs, lifeMs: servingMs } as const;
  const serving = usable ? known : writePair(folder, 'server', await issueCertificate(issue));
  return {
    ca: authority.certificate,
    ...serving,
    renewAtMs: Math.min(renewalMsOf(serving.certificate), renewalMsOf(authority.certificate)),
  };
}

/** The pair of files when it is there, whole and not near its end. */
function readPair(folder: string, name: string, nowMs: number): KeyPair | undefined {
  const [certificateFile, keyFile] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)];
  if (!existsSync(certificateFile) || !existsSync(keyFile)) return undefined;
  const pair = { certificate: readFileSync(certificateFile, 'utf8'), key: readFileSync(keyFile, 'utf8') };
  const fresh = isCurrent(pair.certificate, nowMs) && nowMs < renewalMsOf(pair.certificate);
  return fresh && isWhole(pair) ? pair : undefined;
}

/** The key first: a certificate without its key would look whole. */
function writePair(folder: string, name: string, pair: KeyPair): KeyPair {
  writePrivateFile(join(folder, `${name}.key`), pair.key);
  writePrivateFile(join(folder, `${name}.crt`), pair.certificate);
  return pair;
}
