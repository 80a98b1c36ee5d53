import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readConfig } from './config.ts';

test('defaults: both targets, nothing named', () => {
  const config = readConfig({ HOME: '/home/me' });
  assert.deepEqual(config.targets, ['embedded', 'real']);
  assert.equal(config.cacheFolder, '/home/me/.cache/tvm');
  assert.equal(config.kubernetesBin, undefined);
  assert.equal(config.kubernetesArchive, undefined);
  assert.deepEqual(config.running, {});
});

test('one target, named programs, running servers', () => {
  const config = readConfig({
    TVM_API_TARGET: 'real',
    TVM_CACHE_DIR: '/cache',
    TVM_KUBERNETES_BIN: '/bin',
    TVM_KUBERNETES_ARCHIVE: '/a.tar.xz',
    TVM_TEST_REAL: '{"kubeconfig":"/k"}',
  });
  assert.deepEqual(config.targets, ['real']);
  assert.equal(config.cacheFolder, '/cache');
  assert.deepEqual([config.kubernetesBin, config.kubernetesArchive], ['/bin', '/a.tar.xz']);
  assert.deepEqual(config.running, { real: { kubeconfig: '/k' } });
});

test('a target that is none is refused', () => {
  assert.throws(() => readConfig({ TVM_API_TARGET: 'fake' }), /TVM_API_TARGET=fake: want embedded or real/);
});
