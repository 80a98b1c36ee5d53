import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseListenAddress } from './listen.ts';

test('addresses to listen on', () => {
  assert.deepEqual(parseListenAddress('127.0.0.1:8082'), { host: '127.0.0.1', port: 8082 });
  assert.deepEqual(parseListenAddress('[::1]:0'), { host: '::1', port: 0 });
  assert.deepEqual(parseListenAddress('unix:/run/x.sock'), { path: '/run/x.sock' });
  for (const wrong of ['', ':8082', '8082', 'host', 'host:99999', 'unix:relative', 'a:b:1', 'host:-1']) {
    assert.throws(() => parseListenAddress(wrong), /no address/, wrong);
  }
});
