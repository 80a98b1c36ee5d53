import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readConfig } from './config.ts';

test('defaults follow TVM_HOME', () => {
  const config = readConfig({ TVM_HOME: '/h', TVM_CACHE_DIR: '/c' });
  assert.equal(config.listen, 'unix:/h/run/flintlock.sock');
  assert.deepEqual([config.stateFolder, config.cacheDir, config.driver], ['/h/flintlock', '/c', 'qemu']);
  assert.ok(config.limits.memoryMiB > 0);
});

test('a value that cannot be used names its variable', () => {
  for (const [name, value] of Object.entries({ TVM_DRIVER: 'xen', TVM_MEMORY_MIB: '-1', TVM_ACCELERATOR: 'fast' })) {
    assert.throws(() => readConfig({ [name]: value }), { code: 'invalid_argument', message: new RegExp(name) });
  }
});
