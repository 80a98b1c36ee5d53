import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MicroVm } from '@tvm/api/kinds/microvm.ts';
import type { MicroVmPool } from '@tvm/api/kinds/microvm-pool.ts';
import { makeManualClock } from '@tvm/kit/manual-clock.ts';
import fc from 'fast-check';
import { type Limits, limitsOf, measures, nothing, plus, type ResourceQuota, sizeOf, whyTooMuch } from './limits.ts';
import { poolGrants } from './pool-grants.ts';
import { parseQuantity } from './quantity.ts';
import { makeQuota } from './quota.ts';

const quotaOf = (hard: Record<string, string>, namespace = 'a'): ResourceQuota => ({
  apiVersion: 'v1',
  kind: 'ResourceQuota',
  metadata: { name: 'q', namespace },
  spec: { hard },
});

function vmOf(name: string, memory: number, status: MicroVm['status'] = {}, namespace = 'a'): MicroVm {
  const metadata = { name, namespace, uid: `uid-${namespace}-${name}` };
  const spec = { image: 'tvm/python', cpu: 1, memory, desiredState: 'Running' as const };
  return { apiVersion: 'vvm.tvm.github.com/v1alpha1', kind: 'MicroVM', metadata, spec, status };
}

function poolOf(name: string, minReady: number, memory: number, namespace = 'a'): MicroVmPool {
  const metadata = { name, namespace, creationTimestamp: '2030-01-01T00:00:00Z' };
  const spec = { minReady, template: { spec: { image: 'tvm/python', cpu: 1, memory } } };
  return { apiVersion: 'vvm.tvm.github.com/v1alpha1', kind: 'MicroVMPool', metadata, spec };
}

const cacheOf = (list: () => MicroVm[]) => ({ list, subscribe: () => () => {} });

test('quantities', () => {
  const known = {
    '16': 16,
    '500m': 0.5,
    '64Gi': 2 ** 36,
    '1.5e3': 1500,
    '2k': 2000,
    '1E': 1e18,
    '1e3': 1000,
    '.5': 0.5,
  };
  for (const [text, value] of Object.entries(known)) assert.equal(parseQuantity(text), value, text);
  for (const text of ['', 'x', '1Q', '1mi', '1ni', 'Gi', '1 Gi', '0x10', 'NaN', 'Infinity', '1ki']) {
    assert.equal(parseQuantity(text), undefined, text);
  }
});

test('the strictest ResourceQuota holds, else the setting; one that means nothing allows nothing', () => {
  const [first, second] = [
    quotaOf({ 'vvm.tvm.github.com/cpu': '8' }),
    quotaOf({ 'vvm.tvm.github.com/cpu': '4', pods: '1' }),
  ];
  assert.deepEqual(limitsOf([first, second], { cpu: 100, machines: 5 }), { cpu: 4, machines: 5 });
  assert.deepEqual(limitsOf([quotaOf({ 'vvm.tvm.github.com/memory': 'lots' })], {}), { memory: 0 });
  assert.deepEqual(limitsOf([{ ...first, spec: {} }], {}), {});
  const why = whyTooMuch({ memory: 2 ** 30, cpu: 9 }, sizeOf({ cpu: 1, memory: 512 }), sizeOf({ cpu: 1, memory: 513 }));
  assert.equal(why, 'vvm.tvm.github.com/memory is limited to 1024 MB, 512 MB is used, 513 MB more is asked for');
});

test('what was admitted counts at once, and once', async () => {
  const clock = makeManualClock();
  let vms: MicroVm[] = [];
  const pools: MicroVmPool[] = [];
  const hard = { 'vvm.tvm.github.com/memory': '1Gi' };
  const quota = makeQuota({
    microVms: cacheOf(() => vms),
    pools: () => pools,
    quotas: () => [quotaOf(hard)],
    fallback: {},
    clock,
  });
  assert.equal(quota.admit(vmOf('one', 512)), undefined);
  assert.equal(quota.admit(vmOf('one', 512)), undefined, 'asking again is no second machine');
  assert.equal(quota.admit(vmOf('two', 512)), undefined);
  assert.match(quota.admit(vmOf('three', 1)) ?? '', /limited to 1024 MB, 1024 MB is used/);
  assert.equal(quota.admit(vmOf('three', 9000, {}, 'b')), undefined, 'another namespace');
  vms = [vmOf('one', 512, { host: 'n', phase: 'Running' }), vmOf('two', 512, { host: 'n', phase: 'Stopped' })];
  assert.ok(quota.admit(vmOf('three', 1)));
  await clock.advance(30_000);
  assert.equal(quota.admit(vmOf('three', 512)), undefined, 'two has stopped');
  assert.throws(() => quota.claim('a', { cpu: 1, memory: 1 }), {
    code: 'resource_exhausted',
    reason: 'QuotaExceeded',
    retryAfterSeconds: 2,
  });
  const other = quota.claim('b', { cpu: 1, memory: 1 });
  other[Symbol.dispose]();
  other[Symbol.dispose]();
  vms = [];
  await clock.advance(30_000);
  pools.push(poolOf('waiting', 9, 200));
  assert.equal(quota.grant(poolOf('waiting', 9, 200)), 5, 'of the limits alone: what waits is no tenant of its own');
  assert.ok(quota.admit(vmOf('three', 25)), 'what waits counts');
  assert.equal(quota.grant(poolOf('elsewhere', 9, 200, 'b')), undefined, 'nothing is limited there');
  pools.pop();
  assert.deepEqual(quota.used('a'), nothing);
  assert.deepEqual(quota.used('b'), nothing);
});

test('whatever comes and goes, no namespace has more than its limits', () => {
  const limits: Limits = { machines: 3, cpu: 5, memory: 1024 * 2 ** 20 };
  const step = fc.record({
    namespace: fc.constantFrom('a', 'b'),
    what: fc.constantFrom('run', 'end', 'declare', 'stop'),
    cpu: fc.integer({ min: 1, max: 4 }),
    memory: fc.integer({ min: 64, max: 900 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const vms = new Map<string, MicroVm>();
      const runs: { namespace: string; size: ReturnType<typeof sizeOf>; run: Disposable }[] = [];
      const deps = {
        microVms: cacheOf(() => [...vms.values()]),
        pools: () => [],
        quotas: () => [],
        fallback: limits,
        clock: makeManualClock(),
      };
      const quota = makeQuota(deps);
      for (const [index, { namespace, what, cpu, memory }] of steps.entries()) {
        if (what === 'run') {
          try {
            runs.push({ namespace, size: sizeOf({ cpu, memory }), run: quota.claim(namespace, { cpu, memory }) });
          } catch (error) {
            assert.equal((error as { code?: string }).code, 'resource_exhausted');
          }
        } else if (what === 'end') runs.pop()?.run[Symbol.dispose]();
        else if (what === 'stop') vms.clear();
        else {
          const vm = vmOf(`vm-${index}`, memory, { host: 'n', phase: 'Running' }, namespace);
          if (quota.admit({ ...vm, status: {} }) === undefined) vms.set(vm.metadata.name, vm);
        }
        for (const each of ['a', 'b']) {
          const declared = [...vms.values()]
            .filter((vm) => vm.metadata.namespace === each)
            .map((vm) => sizeOf(vm.spec));
          const running = runs.filter((run) => run.namespace === each).map(({ size }) => size);
          const real = [...declared, ...running].reduce(plus, nothing);
          for (const measure of measures) {
            assert.ok(real[measure] <= (limits[measure] ?? 0));
            assert.ok(quota.used(each)[measure] >= real[measure]);
          }
        }
      }
    }),
  );
});

test('pools of a namespace together stay within its limits, and none has more than it asks for', () => {
  const one = fc.record({ minReady: fc.nat(10), memory: fc.integer({ min: 64, max: 600 }) });
  fc.assert(
    fc.property(fc.array(one, { maxLength: 6 }), fc.nat(20), fc.nat(4096), (asked, machines, megabytes) => {
      const limits = { machines, memory: megabytes * 2 ** 20 };
      const pools = asked.map(({ minReady, memory }, index) => poolOf(`p${index}`, minReady, memory));
      const grants = poolGrants(pools.toReversed(), limits);
      const whole = grants.map(({ size }) => size).reduce(plus, nothing);
      assert.ok(whole.machines <= limits.machines && whole.memory <= limits.memory);
      for (const { pool, machines: count } of grants) assert.ok(count >= 0 && count <= (pool.spec.minReady ?? 1));
      assert.deepEqual(
        poolGrants(pools, {}).map((each) => each.machines),
        asked.map(({ minReady }) => minReady),
      );
    }),
  );
});
