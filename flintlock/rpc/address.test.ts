import assert from 'node:assert/strict';
import { existsSync, linkSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { claimAddress, listen, parseAddress } from './address.ts';

test('addresses are sockets or host and port, nothing else', () => {
  assert.deepEqual(parseAddress('unix:/run/x.sock'), { path: '/run/x.sock' });
  assert.deepEqual(parseAddress('127.0.0.1:9090'), { host: '127.0.0.1', port: 9090 });
  assert.deepEqual(parseAddress('[::1]:0'), { host: '::1', port: 0 });
  for (const text of ['', 'unix:relative', '127.0.0.1', '127.0.0.1:99999', '0.0.0.0:9090', 'example.org:9090']) {
    assert.throws(() => parseAddress(text), { code: 'invalid_argument' });
  }
  assert.throws(() => parseAddress('0.0.0.0:9090'), /callers are not authenticated without TVM_TLS_DIR/);
  assert.deepEqual(parseAddress('0.0.0.0:9090', true), { host: '0.0.0.0', port: 9090 });
  assert.throws(() => parseAddress(':9090', true), { code: 'invalid_argument' });
});

test('a socket is for its owner alone; one in use and a file are left alone; a stale one is removed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tvm-address-'));
  const path = join(folder, 'x.sock');
  const server = createServer();
  try {
    assert.equal(await listen(server, { path }), `unix:${path}`);
    assert.equal(statSync(path).mode & 0o777, 0o600);
    await assert.rejects(claimAddress({ path }), { code: 'failed_precondition' });
    const stale = join(folder, 'stale.sock');
    linkSync(path, stale);
    await new Promise((resolve) => server.close(resolve));
    await claimAddress({ path: stale });
    assert.equal(existsSync(stale), false);
    writeFileSync(path, '');
    await assert.rejects(claimAddress({ path }), { code: 'failed_precondition' });
    assert.ok(existsSync(path));
    await assert.rejects(claimAddress({ path: `/${'x'.repeat(120)}` }), { code: 'invalid_argument' });
  } finally {
    server.close();
    rmSync(folder, { recursive: true });
  }
});
