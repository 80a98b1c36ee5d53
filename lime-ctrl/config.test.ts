import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadConfig } from './config.ts';

test('defaults are those of one machine', () => {
  const config = loadConfig({ TVM_HOME: '/h' });
  assert.deepEqual(config.flintlocks, {
    type: 'list',
    addresses: new Map([['local', 'unix:/h/run/flintlock.sock']]),
  });
  assert.deepEqual([config.pod, config.scale, config.leaseNamespace], [undefined, undefined, 'default']);
  assert.equal(config.tokensFile, '/h/tokens');
  assert.deepEqual(config.listen, { host: '127.0.0.1', port: 8082 });
  assert.deepEqual(config.warmImages, ['tvm/python']);
});

test('several nodes, no warm image', () => {
  const config = loadConfig({ TVM_HOME: '/h', TVM_FLINTLOCKS: 'a=unix:/a.sock, b=10.0.0.1:9090', TVM_WARM_IMAGES: '' });
  const { flintlocks } = config;
  assert.ok(flintlocks.type === 'list');
  assert.deepEqual([...flintlocks.addresses.values()], ['unix:/a.sock', '10.0.0.1:9090']);
  assert.deepEqual(config.warmImages, []);
  const off = loadConfig({ TVM_HOME: '/h', TVM_POOL: 'off' });
  assert.deepEqual([off.pool, off.warmImages], [false, []]);
});

test('what a pod is told', () => {
  const config = loadConfig({
    TVM_HOME: '/h',
    TVM_FLINTLOCKS: 'endpoints:tvm-nodes/flintlock',
    TVM_FLINTLOCK_SCALE: 'tvm-nodes/flintlock:1-10',
    TVM_NAMESPACE: 'tvm-system',
    TVM_REPLICA_NAME: 'lime-ctrl-x-1',
  });
  assert.deepEqual(config.flintlocks, { type: 'endpoints', namespace: 'tvm-nodes', service: 'flintlock' });
  assert.deepEqual(config.scale, { namespace: 'tvm-nodes', deployment: 'flintlock', min: 1, max: 10 });
  assert.deepEqual(config.pod, { namespace: 'tvm-system', name: 'lime-ctrl-x-1', uid: undefined });
  assert.equal(config.leaseNamespace, 'tvm-system');
});

test('what is wrong names the variable', () => {
  assert.throws(() => loadConfig({ TVM_FLINTLOCKS: 'nonsense' }), /TVM_FLINTLOCKS/);
  for (const text of ['endpoints:', 'endpoints:x', 'endpoints:a/b/c', 'endpoints:A/b']) {
    assert.throws(() => loadConfig({ TVM_NAMESPACE: 'n', TVM_FLINTLOCKS: text }), /endpoints:NAMESPACE\/SERVICE/);
  }
  assert.throws(() => loadConfig({ TVM_FLINTLOCKS: 'endpoints:a/b' }), /TVM_NAMESPACE/);
  assert.throws(() => loadConfig({ TVM_FLINTLOCK_SCALE: 'a/b:1-2' }), /TVM_FLINTLOCK_SCALE/);
  for (const text of ['a/b', 'a/b:3-2', 'a/b:0-0', 'b:1-2']) {
    const env = { TVM_NAMESPACE: 'n', TVM_FLINTLOCKS: 'endpoints:a/b', TVM_FLINTLOCK_SCALE: text };
    assert.throws(() => loadConfig(env), /MIN-MAX/, text);
  }
  assert.throws(() => loadConfig({ TVM_MAX_EXECUTIONS: '0' }), /TVM_MAX_EXECUTIONS/);
  assert.throws(() => loadConfig({ TVM_LIME_LISTEN: '8082' }), /8082/);
});
