import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { certificatesIn, coversHosts, isCurrent, isSignedBy, isWhole, renewalMsOf } from './inspect.ts';
import { issueCertificate, makeAuthority } from './issue.ts';

const dayMs = 86_400_000;
const nowMs = Date.UTC(2030, 0, 1);

test('an authority signs for one use; what it signed says so', async () => {
  const authority = await makeAuthority('test', nowMs, 90 * dayMs);
  const other = await makeAuthority('test', nowMs, 90 * dayMs);
  const shared = { authority, commonName: 'some-client', nowMs, lifeMs: 30 * dayMs };
  const client = await issueCertificate({ ...shared, hosts: [], use: 'client' });
  const server = await issueCertificate({ ...shared, hosts: ['a.example', '127.0.0.1', '::1'], use: 'server' });
  assert.ok(isSignedBy(client.certificate, authority.certificate));
  assert.ok(!isSignedBy(client.certificate, other.certificate));
  assert.ok(!isSignedBy(server.certificate, client.certificate));
  assert.equal(new X509Certificate(client.certificate).subject, 'CN=some-client');
  assert.deepEqual(new X509Certificate(client.certificate).keyUsage, ['1.3.6.1.5.5.7.3.2']);
  assert.ok(new X509Certificate(server.certificate).checkHost('a.example'));
  assert.ok(
    coversHosts(server.certificate, ['::1', '127.0.0.1', 'a.example']) && !coversHosts(server.certificate, ['b']),
  );
  assert.ok(isWhole(client) && !isWhole({ ...client, key: server.key }));
});

test('times: none outlives its authority, and is renewed before its end', async () => {
  const authority = await makeAuthority('test', nowMs, 3 * dayMs);
  const { certificate } = await issueCertificate({
    ...{ authority, commonName: 'x', hosts: [], use: 'client', nowMs, lifeMs: 30 * dayMs },
  });
  assert.equal(Date.parse(new X509Certificate(certificate).validTo), nowMs + 3 * dayMs);
  assert.ok(isCurrent(certificate, nowMs) && !isCurrent(certificate, nowMs + 4 * dayMs));
  const renewalMs = renewalMsOf(certificate);
  assert.ok(renewalMs > nowMs + dayMs && renewalMs < nowMs + 2 * dayMs + 1);
});

test('what is no certificate is none', async () => {
  const { certificate } = await makeAuthority('test', nowMs, dayMs);
  for (const text of ['', 'zork', certificate.slice(0, 200)]) {
    assert.equal(renewalMsOf(text), 0);
    assert.ok(!isCurrent(text, nowMs) && !isSignedBy(text, certificate) && !isWhole({ certificate: text, key: text }));
  }
  const broken = certificate.replace(/\n[A-Za-z0-9+/]{20}/, '\nAAAAAAAAAAAAAAAAAAAA');
  assert.deepEqual(certificatesIn(`# comment\n${certificate}zork\n${broken}${certificate}`), [
    certificate,
    certificate,
  ]);
});
