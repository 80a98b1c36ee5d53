// The server's own authority and its serving certificate: made when missing, renewed before they end.
// Invariant: keys are never readable by others, and a file is whole or absent.
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import {
  BasicConstraintsExtension,
  cryptoProvider,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type JsonGeneralName,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';
import { writePrivateFile } from './private-file.ts';

export interface ServingFiles {
  /** PEM. */
  ca: string;
  certificate: string;
  key: string;
  /** When the serving certificate should be renewed, in ms since 1970. */
  renewAtMs: number;
}

type Keys = webcrypto.CryptoKeyPair;

const dayMs = 86_400_000;
const authorityDays = 3650;
const servingDays = 365;
/** Clocks of clients may be behind. */
const backdatedMs = dayMs / 24;
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

/** Reads or makes the certificates in `folder` for a server under these host names and addresses. */
export async function ensureCertificates(
  folder: string,
  hosts: readonly string[],
  nowMs: number,
): Promise<ServingFiles> {
  cryptoProvider.set(webcrypto as unknown as Parameters<typeof cryptoProvider.set>[0]);
  const authority = (await readPair(folder, 'ca', nowMs, () => true)) ?? (await makeAuthority(folder, nowMs));
  const isFine = (certificate: X509Certificate) =>
    certificate.issuer === authority.certificate.subject && covers(certificate, hosts);
  const signed = async (certificate: X509Certificate) =>
    certificate.verify({ publicKey: authority.certificate.publicKey, date: new Date(nowMs) });
  const known = await readPair(folder, 'server', nowMs, isFine);
  const usable = known && (await signed(known.certificate)) ? known : undefined;
  const serving = usable ?? (await makeServing(folder, hosts, authority, nowMs));
  return {
    ca: authority.certificate.toString('pem'),
    certificate: serving.certificate.toString('pem'),
    key: serving.keyPem,
    renewAtMs: Math.min(renewalOf(serving.certificate), renewalOf(authority.certificate)),
  };
}

interface Pair {
  certificate: X509Certificate;
  keys: Keys;
  keyPem: string;
}

/** The pair of files when it is there, whole and not near its end. */
async function readPair(
  folder: string,
  name: string,
  nowMs: number,
  isFine: (certificate: X509Certificate) => boolean,
): Promise<Pair | undefined> {
  const [certificateFile, keyFile] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)];
  if (!existsSync(certificateFile) || !existsSync(keyFile)) return undefined;
  try {
    const pair = await parsePair(readFileSync(certificateFile, 'utf8'), readFileSync(keyFile, 'utf8'));
    return renewalOf(pair.certificate) > nowMs && isFine(pair.certificate) ? pair : undefined;
  } catch {
    return undefined; // what cannot be read, of whatever sort, is made anew
  }
}

async function parsePair(certificatePem: string, keyPem: string): Promise<Pair> {
  const certificate = new X509Certificate(certificatePem);
  const [der = new ArrayBuffer(0)] = PemConverter.decode(keyPem);
  const privateKey = await webcrypto.subtle.importKey('pkcs8', der, algorithm, true, ['sign']);
  const publicKey = await webcrypto.subtle.importKey('spki', certificate.publicKey.rawData, algorithm, true, [
    'verify',
  ]);
  return { certificate, keys: { privateKey, publicKey }, keyPem };
}

async function makeAuthority(folder: string, nowMs: number): Promise<Pair> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: `CN=tvm-apiserver-ca-${serialNumber().slice(0, 8)}`,
    notBefore: new Date(nowMs - backdatedMs),
    notAfter: new Date(nowMs + authorityDays * dayMs),
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    ],
  });
  return writePair(folder, 'ca', certificate, keys);
}

async function makeServing(folder: string, hosts: readonly string[], authority: Pair, nowMs: number): Promise<Pair> {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const names: JsonGeneralName[] = hosts.map((host) => ({ type: isIP(host) ? 'ip' : 'dns', value: host }));
  const certificate = await X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: 'CN=tvm-apiserver',
    issuer: authority.certificate.subject,
    notBefore: new Date(nowMs - backdatedMs),
    notAfter: new Date(nowMs + servingDays * dayMs),
    publicKey: keys.publicKey,
    signingKey: authority.keys.privateKey,
    signingAlgorithm: algorithm,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
      new SubjectAlternativeNameExtension(names),
    ],
  });
  return writePair(folder, 'server', certificate, keys);
}

/** The key first: a certificate without its key would look whole. */
async function writePair(folder: string, name: string, certificate: X509Certificate, keys: Keys): Promise<Pair> {
  const der = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  const keyPem = `${PemConverter.encode(der, 'PRIVATE KEY')}\n`;
  writePrivateFile(join(folder, `${name}.key`), keyPem);
  writePrivateFile(join(folder, `${name}.crt`), `${certificate.toString('pem')}\n`);
  return { certificate, keys, keyPem };
}

/** Two thirds of the way through its life. */
function renewalOf(certificate: X509Certificate): number {
  const [from, to] = [certificate.notBefore.getTime(), certificate.notAfter.getTime()];
  return from + ((to - from) * 2) / 3;
}

function covers(certificate: X509Certificate, hosts: readonly string[]): boolean {
  const names = certificate.getExtension(SubjectAlternativeNameExtension)?.names.items.map((name) => name.value) ?? [];
  return hosts.every((host) => names.includes(host));
}

function serialNumber(): string {
  return `01${Buffer.from(webcrypto.getRandomValues(new Uint8Array(15))).toString('hex')}`;
}
