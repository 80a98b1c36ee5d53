import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readConfig } from './config.ts';

test('everything has a default', () => {
  assert.deepEqual(readConfig({}), {
    kubeletFolder: '/var/lib/kubelet',
    device: '/dev/kvm',
    permits: 8,
    hostRoot: '/',
    metricsListen: { host: '127.0.0.1', port: 8080 },
    healthListen: { host: '127.0.0.1', port: 8081 },
    logLevel: 'info',
  });
});

test('a value that means nothing is refused with the name of its variable', () => {
  const bad: [string, string][] = [
    ['TVM_KVM_PERMITS', '0'],
    ['TVM_KVM_PERMITS', 'many'],
    ['TVM_KVM_PERMITS', '1.5'],
    ['TVM_KVM_PERMITS', '100000'],
    ['TVM_KUBELET_DIR', 'var/lib/kubelet'],
    ['TVM_KUBELET_DIR', `/${'long/'.repeat(20)}`],
    ['TVM_KVM_DEVICE', ''],
    ['TVM_HOST_ROOT', 'host'],
    ['TVM_METRICS_LISTEN', '8080'],
    ['TVM_LOG_LEVEL', 'loud'],
  ];
  for (const [name, value] of bad) {
    const expected = name.endsWith('LISTEN') ? /8080/ : new RegExp(name);
    assert.throws(() => readConfig({ [name]: value }), { code: 'invalid_argument', message: expected });
  }
});
