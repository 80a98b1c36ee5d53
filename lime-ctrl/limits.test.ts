import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limitsOf } from './limits.ts';

test('limits are passed on, what is not said as none', () => {
  assert.deepEqual(limitsOf(undefined), {});
  assert.deepEqual(limitsOf({ cpuPercent: 20, diskBytesPerSecond: 65536 }), {
    limits: { cpuPercent: 20, diskIops: 0, diskBytesPerSecond: 65536n, networkBytesPerSecond: 0n, processes: 0 },
  });
});
