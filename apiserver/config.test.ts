import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TvmError } from '@tvm/api/errors.ts';
import { readConfig } from './config.ts';

test('addresses of either family, and the default', () => {
  const read = (listen?: string) => readConfig({ TVM_HOME: '/h', ...(listen && { TVM_APISERVER_LISTEN: listen }) });
  assert.deepEqual(read(), { host: '127.0.0.1', port: 6443, logLevel: 'info', folder: '/h/apiserver' });
  assert.deepEqual([read('[::1]:0').host, read('[::1]:0').port], ['::1', 0]);
});

test('what means nothing is refused by name', () => {
  for (const listen of ['6443', 'host', 'host:99999', 'a b:1']) {
    assert.throws(
      () => readConfig({ TVM_APISERVER_LISTEN: listen }),
      (error) => error instanceof TvmError && /TVM_APISERVER_LISTEN/.test(error.message),
    );
  }
});
