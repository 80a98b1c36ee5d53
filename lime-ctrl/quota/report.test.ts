import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TvmError } from '@tvm/api/errors.ts';
import { makeMemoryKube } from '@tvm/kit/kube/memory-client.ts';
import { makeLogger } from '@tvm/kit/log.ts';
import { makeManualClock } from '@tvm/kit/manual-clock.ts';
import { nothing, type ResourceQuota, resourceQuotas, type Size } from './limits.ts';
import { reportQuotas, withUsed } from './report.ts';

const quotaOf = (name: string, hard: Record<string, string>): ResourceQuota => ({
  apiVersion: 'v1',
  kind: 'ResourceQuota',
  metadata: { name, namespace: 'a' },
  spec: { hard },
});

test('only our own limits are told, beside what others wrote', () => {
  const used = { machines: 2, cpu: 3, memory: 2 ** 30 };
  const found = { ...quotaOf('q', { pods: '9', 'vvm.tvm.github.com/memory': '4Gi' }), status: { used: { pods: '4' } } };
  const told = withUsed(found, used);
  assert.deepEqual(told?.status?.used, { pods: '4', 'vvm.tvm.github.com/memory': '1024Mi' });
  assert.equal(withUsed(told ?? found, used), undefined);
  const normalized = { ...found, status: { used: { 'vvm.tvm.github.com/memory': '1Gi' } } };
  assert.equal(withUsed(normalized, used), undefined, 'the same in other words');
  assert.equal(withUsed(quotaOf('q', { pods: '9' }), used), undefined);
});

test('written when it changes, and a refusal harms nothing', async () => {
  const kube = makeMemoryKube();
  const clock = makeManualClock();
  const stop = new AbortController();
  let used: Size = { ...nothing, cpu: 1 };
  let list: ResourceQuota[] = [];
  await kube.create(resourceQuotas, quotaOf('q', { 'vvm.tvm.github.com/cpu': '4' }));
  await kube.create(resourceQuotas, quotaOf('other', { pods: '4' }));
  const reload = async () => {
    list = (await kube.list(resourceQuotas)).items;
  };
  const usedNow = async () => (await kube.get(resourceQuotas, 'a', 'q')).status?.used;
  await reload();
  const log = makeLogger('test', 'silent');
  const deps = { client: kube, quotas: { list: () => list }, quota: { used: () => used }, clock, log };
  const running = reportQuotas(deps, stop.signal);
  await clock.advance(0);
  assert.deepEqual(await usedNow(), { 'vvm.tvm.github.com/cpu': '1' });
  used = { ...used, cpu: 2 };
  await clock.advance(5_000);
  assert.deepEqual(await usedNow(), { 'vvm.tvm.github.com/cpu': '1' }, 'the copy was old: a conflict, and no harm');
  await reload();
  await clock.advance(10_000);
  assert.deepEqual(await usedNow(), { 'vvm.tvm.github.com/cpu': '2' });
  await reload();
  const writes = kube.writes.length;
  await clock.advance(20_000);
  assert.equal(kube.writes.length, writes);
  kube.updateStatus = () => Promise.reject(new TvmError('permission_denied', 'no'));
  used = nothing;
  await clock.advance(10_000);
  stop.abort();
  await running;
});
