import assert from 'node:assert/strict';
import { appendFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { followAudit, total, withoutLeases } from './audit.ts';

const line = (verb: string, resource: string, more: object = {}) =>
  `${JSON.stringify({ stage: 'ResponseComplete', verb, requestURI: '/x?y', objectRef: { resource }, ...more })}\n`;

test('each request counts once, watches when they begin, half a line when it is whole', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'tvm-audit-'));
  t.after(() => rm(folder, { recursive: true }));
  const path = join(folder, 'audit.log');
  const log = followAudit(path);
  await appendFile(path, line('get', 'microvms') + line('get', 'microvms'));
  await appendFile(path, line('watch', 'microvms', { stage: 'ResponseStarted' }));
  await appendFile(path, line('watch', 'microvms') + line('get', '', { objectRef: undefined }));
  const half = line('update', 'microvms', { objectRef: { resource: 'microvms', subresource: 'status' } });
  await appendFile(path, half.slice(0, 20));
  assert.deepEqual(await log.next(), { 'get microvms': 2, 'watch microvms': 1, 'get /x': 1 });
  await appendFile(path, half.slice(20));
  assert.deepEqual(await log.next(), { 'update microvms/status': 1 });
  assert.deepEqual(await log.next(), {});
});

test('leases are set apart', () => {
  const requests = { 'update leases': 30, 'get microvms': 2 };
  assert.equal(total(requests), 32);
  assert.deepEqual(withoutLeases(requests), { 'get microvms': 2 });
});
