import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { loadKubeConfig } from './kube-config.ts';

const folder = mkdtempSync(join(tmpdir(), 'tvm-kubeconfig-'));
after(() => rmSync(folder, { recursive: true }));

function write(user: object, cluster: object = {}): string {
  const path = join(folder, 'config');
  const config = {
    'current-context': 'c',
    contexts: [{ name: 'c', context: { cluster: 'k', user: 'u' } }],
    clusters: [{ name: 'k', cluster: { server: 'https://127.0.0.1:6443', ...cluster } }],
    users: [{ name: 'u', user }],
  };
  writeFileSync(path, JSON.stringify(config));
  return path;
}

test('a token, a token file that is read anew, a client certificate', () => {
  const plain = loadKubeConfig(
    write({ token: 't' }, { 'certificate-authority-data': Buffer.from('CA').toString('base64') }),
  );
  assert.equal(plain.token(), 't');
  assert.equal(plain.ca?.toString(), 'CA');
  assert.equal(plain.rejectUnauthorized, true);

  writeFileSync(join(folder, 'token'), 'first\n');
  const rotating = loadKubeConfig(write({ tokenFile: 'token' }));
  assert.equal(rotating.token(), 'first');
  writeFileSync(join(folder, 'token'), 'second\n');
  assert.equal(rotating.token(), 'second');

  const data = Buffer.from('X').toString('base64');
  const certified = loadKubeConfig(write({ 'client-certificate-data': data, 'client-key-data': data }));
  assert.equal(certified.clientCertificate?.key.toString(), 'X');
});

test('what cannot be used says why', () => {
  assert.throws(() => loadKubeConfig(join(folder, 'missing')), /cannot be read/);
  assert.throws(() => loadKubeConfig(write({ exec: { command: 'x' } })), /not supported/);
  assert.throws(() => loadKubeConfig(write({}, { server: 'not a url' })), /server/);
  writeFileSync(join(folder, 'config'), 'just: text');
  assert.throws(() => loadKubeConfig(join(folder, 'config')), /current-context/);
});
