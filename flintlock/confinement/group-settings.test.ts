import assert from 'node:assert/strict';
import { test } from 'node:test';
import { groupSettings, type Hierarchies, quotaSettings } from './group-settings.ts';

const one = { cpu: '/g/tvm/x', memory: '/g/tvm/x', pids: '/g/tvm/x' };
const separate = { cpu: '/g/cpu/tvm/x', memory: '/g/memory/tvm/x', pids: '/g/pids/tvm/x' };
const limits = { memoryMiB: 300, threads: 128 };

function written(hierarchies: Hierarchies, cpuPercent?: number): string[] {
  return groupSettings(hierarchies, 'a1', { ...limits, cpuPercent }).map(({ path, value }) => `${path} ${value}`);
}

test('version 2: one group with all limits', () => {
  const always = ['/g/tvm/x/a1/memory.max 314572800', '/g/tvm/x/a1/pids.max 128'];
  assert.deepEqual(written({ version: 2, folders: one }), always);
  assert.deepEqual(written({ version: 2, folders: one }, 20), [...always, '/g/tvm/x/a1/cpu.max 20000 100000']);
});

test('version 1: a group a controller', () => {
  assert.deepEqual(written({ version: 1, folders: separate }, 150), [
    '/g/memory/tvm/x/a1/memory.limit_in_bytes 314572800',
    '/g/pids/tvm/x/a1/pids.max 128',
    '/g/cpu/tvm/x/a1/cpu.cfs_period_us 100000',
    '/g/cpu/tvm/x/a1/cpu.cfs_quota_us 150000',
  ]);
});

test('the group that all are in has a quota alone', () => {
  assert.deepEqual(quotaSettings({ version: 2, folders: one }, 400), [
    { path: '/g/tvm/x/cpu.max', value: '400000 100000' },
  ]);
});
