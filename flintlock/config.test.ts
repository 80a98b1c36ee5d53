import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readConfig } from './config.ts';

test('defaults follow TVM_HOME', () => {
  const config = readConfig({ TVM_HOME: '/h', TVM_CACHE_DIR: '/c' });
  assert.equal(config.listen, 'unix:/h/run/flintlock.sock');
  assert.deepEqual([config.stateFolder, config.cacheDir, config.driver], ['/h/flintlock', '/c', 'auto']);
  assert.ok(config.limits.memoryMiB > 0);
});

test('what a pod is told', () => {
  const config = readConfig({
    ...{ TVM_CPUS: '3', TVM_TLS_DIR: '/etc/tvm/tls', TVM_DRAIN_SECONDS: '20' },
    ...{ TVM_HEALTH_LISTEN: '0.0.0.0:8081', TVM_METRICS_LISTEN: '0.0.0.0:8080' },
  });
  assert.deepEqual([config.limits.cpus, config.tlsFolder, config.drainMs], [3, '/etc/tvm/tls', 20_000]);
  assert.deepEqual(config.healthListen, { host: '0.0.0.0', port: 8081 });
  assert.equal(readConfig({}).metricsListen, undefined);
});

test('a value that cannot be used names its variable', () => {
  for (const [name, value] of Object.entries({
    TVM_DRIVER: 'xen',
    TVM_MEMORY_MIB: '-1',
    TVM_CPUS: '0',
    TVM_ACCELERATOR: 'fast',
  })) {
    assert.throws(() => readConfig({ [name]: value }), { code: 'invalid_argument', message: new RegExp(name) });
  }
});
