import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeLogger } from '@tvm/kit/log.ts';
import { makeRegistry } from '@tvm/kit/metrics.ts';
import type { Health } from './device/probe.ts';
import type { Holder } from './kubelet/client.ts';
import { makePluginMetrics, watchPlugin } from './metrics.ts';

function setting() {
  const registry = makeRegistry();
  const world: { health: Health; holders: () => Promise<Holder[]>; asked: number } = {
    health: { healthy: true },
    holders: async () => [],
    asked: 0,
  };
  watchPlugin([registry], {
    device: '/dev/kvm',
    permits: 8,
    health: () => world.health,
    phase: () => 'registered',
    holders: () => {
      world.asked += 1;
      return world.holders();
    },
    log: makeLogger('test', 'silent'),
  });
  const read = async () => (await registry.metrics()).split('\n').filter((line) => line.startsWith('tvm_kvm_'));
  return { registry, world, read };
}

const own = [
  'tvm_kvm_device_healthy{device="/dev/kvm"} 1',
  'tvm_kvm_permits 8',
  'tvm_kvm_permits_healthy 8',
  'tvm_kvm_registered 1',
];

test('holders are told while the kubelet answers, and nothing is told of them while it does not', async () => {
  const { world, read } = setting();
  const holder = (pod: string, permits: number): Holder => ({ namespace: 'n', pod, container: 'c', permits });
  const lines = (...held: string[]) => [...own, 'tvm_kvm_pod_resources_answered 1', ...held];
  assert.deepEqual(await read(), lines('tvm_kvm_permits_allocated 0'));
  world.holders = async () => [holder('a', 1), holder('b', 2)];
  const both = ['{namespace="n",pod="a",container="c"} 1', '{namespace="n",pod="b",container="c"} 2'];
  const held = both.map((each) => `tvm_kvm_permits_held${each}`);
  assert.deepEqual(await read(), lines('tvm_kvm_permits_allocated 3', ...held));
  world.holders = async () => Promise.reject(new Error('no such socket'));
  assert.deepEqual(await read(), [...own, 'tvm_kvm_pod_resources_answered 0']);
  world.holders = async () => [holder('b', 2)];
  assert.deepEqual(await read(), lines('tvm_kvm_permits_allocated 2', ...held.slice(1)));
});

test('the kubelet is asked once, however many look at the same time', async () => {
  const { world, read } = setting();
  await Promise.all([read(), read(), read()]);
  assert.equal(world.asked, 1);
  await read();
  assert.equal(world.asked, 2);
});

test('registrations and allocations are counted by result', async () => {
  const { registry, read } = setting();
  const { onAllocated, onRegistered } = makePluginMetrics([registry]);
  onAllocated('ok');
  onAllocated('refused');
  onRegistered('ok');
  onRegistered('ok');
  onRegistered('failed');
  assert.deepEqual(
    (await read()).filter((line) => line.includes('_total')),
    [
      'tvm_kvm_registrations_total{result="ok"} 2',
      'tvm_kvm_registrations_total{result="failed"} 1',
      'tvm_kvm_allocations_total{result="ok"} 1',
      'tvm_kvm_allocations_total{result="refused"} 1',
    ],
  );
});
