import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limitsMessage } from './rpc-limits.ts';

test('limits are passed on, what is not said as none', () => {
  assert.deepEqual(limitsMessage(undefined), {});
  assert.deepEqual(limitsMessage({ cpuPercent: 20, diskBytesPerSecond: 65536 }), {
    limits: { cpuPercent: 20, diskIops: 0, diskBytesPerSecond: 65536n, networkBytesPerSecond: 0n, processes: 0 },
  });
});
