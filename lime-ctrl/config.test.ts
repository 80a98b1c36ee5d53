import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadConfig } from './config.ts';

test('defaults are those of one machine', () => {
  const config = loadConfig({ TVM_HOME: '/h' });
  assert.deepEqual([...config.flintlocks], [['local', 'unix:/h/run/flintlock.sock']]);
  assert.equal(config.tokensFile, '/h/tokens');
  assert.deepEqual(config.listen, { host: '127.0.0.1', port: 8082 });
  assert.deepEqual(config.warmImages, ['tvm/python']);
});

test('several nodes, no warm image', () => {
  const config = loadConfig({ TVM_HOME: '/h', TVM_FLINTLOCKS: 'a=unix:/a.sock, b=10.0.0.1:9090', TVM_WARM_IMAGES: '' });
  assert.deepEqual([...config.flintlocks.values()], ['unix:/a.sock', '10.0.0.1:9090']);
  assert.deepEqual(config.warmImages, []);
  const off = loadConfig({ TVM_HOME: '/h', TVM_POOL: 'off' });
  assert.deepEqual([off.pool, off.warmImages], [false, []]);
});

test('what is wrong names the variable', () => {
  assert.throws(() => loadConfig({ TVM_FLINTLOCKS: 'nonsense' }), /TVM_FLINTLOCKS/);
  assert.throws(() => loadConfig({ TVM_MAX_EXECUTIONS: '0' }), /TVM_MAX_EXECUTIONS/);
  assert.throws(() => loadConfig({ TVM_LIME_LISTEN: '8082' }), /8082/);
});
