import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ensureCertificates } from './certificates.ts';

const dayMs = 86_400_000;
const start = Date.UTC(2026, 0, 1);
const hosts = ['127.0.0.1', 'localhost'];
let folder: string;

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'tvm-certificates-'));
});
after(() => rmSync(folder, { recursive: true }));

test('made once, private, for the hosts, signed by the authority', async () => {
  const first = await ensureCertificates(folder, hosts, start);
  const again = await ensureCertificates(folder, hosts, start + dayMs);
  assert.equal(again.certificate, first.certificate);
  assert.equal(again.ca, first.ca);
  for (const name of readdirSync(folder)) assert.equal(statSync(join(folder, name)).mode & 0o777, 0o600, name);
  const serving = new X509Certificate(first.certificate);
  assert.ok(serving.checkIP('127.0.0.1') && serving.checkHost('localhost'));
  assert.ok(serving.verify(new X509Certificate(first.ca).publicKey));
});

test('renewed before it ends, for new hosts, and under a new authority', async () => {
  const first = await ensureCertificates(folder, hosts, start);
  const renewed = await ensureCertificates(folder, hosts, first.renewAtMs + 1);
  assert.notEqual(renewed.certificate, first.certificate);
  assert.equal(renewed.ca, first.ca);
  const wider = await ensureCertificates(folder, [...hosts, '10.0.0.1'], start);
  assert.ok(new X509Certificate(wider.certificate).checkIP('10.0.0.1'));
  rmSync(join(folder, 'ca.key'));
  const other = await ensureCertificates(folder, hosts, start);
  assert.notEqual(other.ca, first.ca);
  assert.ok(new X509Certificate(other.certificate).verify(new X509Certificate(other.ca).publicKey));
});

test('a broken file is made anew', async () => {
  writeFileSync(join(folder, 'server.crt'), 'zork');
  const { certificate } = await ensureCertificates(folder, hosts, start);
  assert.ok(new X509Certificate(certificate).checkHost('localhost'));
});
