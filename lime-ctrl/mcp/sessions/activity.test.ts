import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TvmError } from '@tvm/api/errors.ts';
import type { McpSession } from '@tvm/api/kinds/mcp-session.ts';
import { apiVersion } from '@tvm/api/kinds/meta.ts';
import { type KubeClient, mcpSessions } from '@tvm/kit/kube/client.ts';
import { makeMemoryKube } from '@tvm/kit/kube/memory-client.ts';
import { makeLogger } from '@tvm/kit/log.ts';
import { makeManualClock } from '@tvm/kit/manual-clock.ts';
import { makeSessionActivity } from './activity.ts';

const key = 'default/agent';

async function setUp(spec: Partial<McpSession['spec']> = {}) {
  const clock = makeManualClock();
  const kube = makeMemoryKube(clock.now);
  const metadata = { name: 'agent', namespace: 'default' };
  const whose = { userId: 'alice', groupId: 'research', ...spec };
  const created = await kube.create(mcpSessions, { apiVersion, kind: 'MCPSession', metadata, spec: whose });
  let cached: McpSession | undefined = await kube.updateStatus(mcpSessions, { ...created, status: { state: 'Ready' } });
  const refresh = async () => {
    cached = await kube.get(mcpSessions, 'default', 'agent').catch(() => undefined);
  };
  const writes = () => kube.writes.filter((each) => each.startsWith('updateStatus')).length - 1;
  const log = makeLogger('test', 'silent');
  const start = (client: KubeClient = kube) => {
    const activity = makeSessionActivity({ client, session: () => cached, clock, log });
    const stop = new AbortController();
    const running = activity.run(stop.signal);
    return {
      activity,
      async [Symbol.asyncDispose]() {
        stop.abort();
        await running;
      },
    };
  };
  return { clock, kube, refresh, writes, start, uid: created.metadata.uid ?? '' };
}

test('written at most once a minute, however often it is used; not at all when it is not', async () => {
  const { clock, refresh, writes, start, uid } = await setUp();
  await using running = start();
  for (let second = 0; second < 300; second += 1) {
    running.activity.note(key, uid);
    await clock.advance(1_000);
    await refresh();
  }
  assert.ok(writes() >= 4 && writes() <= 6, `${writes()} writes in five minutes`);
  await clock.advance(120_000);
  await refresh();
  const settled = writes();
  await clock.advance(600_000);
  assert.equal(writes(), settled);
});

test('a short idle time-out is told in time', async () => {
  const { clock, kube, refresh, start, uid } = await setUp({ idleTimeoutSeconds: 12 });
  await using running = start();
  for (let second = 0; second < 60; second += 1) {
    running.activity.note(key, uid);
    await clock.advance(1_000);
    await refresh();
    const { status } = await kube.get(mcpSessions, 'default', 'agent');
    if (second > 4) assert.ok(clock.now() - Date.parse(status?.lastActivity ?? '') < 12_000);
  }
});

test('who wrote meanwhile wins, and it is written after that', async () => {
  const { clock, kube, refresh, start, uid } = await setUp();
  await using running = start();
  const found = await kube.get(mcpSessions, 'default', 'agent');
  await kube.updateStatus(mcpSessions, { ...found, status: { state: 'Idle' } });
  running.activity.note(key, uid);
  await clock.advance(2_000);
  assert.deepEqual((await kube.get(mcpSessions, 'default', 'agent')).status, { state: 'Idle' });
  await refresh();
  await clock.advance(2_000);
  const { status } = await kube.get(mcpSessions, 'default', 'agent');
  assert.deepEqual([status?.state, typeof status?.lastActivity], ['Idle', 'string']);
});

test('an API server that fails ends nothing; sessions that are over or gone are left alone and forgotten', async () => {
  const { clock, kube, refresh, writes, start, uid } = await setUp();
  let fails = true;
  const updateStatus: KubeClient['updateStatus'] = (...about) => {
    if (fails) throw new TvmError('unavailable', 'connection refused');
    return kube.updateStatus(...about);
  };
  await using running = start({ ...kube, updateStatus });
  running.activity.acknowledge(key, uid, '2030-01-01T00:00:00.000Z');
  await clock.advance(10_000);
  fails = false;
  await clock.advance(2_000);
  await refresh();
  const { status } = await kube.get(mcpSessions, 'default', 'agent');
  assert.equal(status?.machineStartedAt, '2030-01-01T00:00:00.000Z');
  await kube.updateStatus(mcpSessions, {
    ...(await kube.get(mcpSessions, 'default', 'agent')),
    status: { ...status, state: 'Expired' },
  });
  await refresh();
  const before = writes();
  await clock.advance(120_000);
  running.activity.note(key, uid);
  await clock.advance(120_000);
  assert.equal(writes(), before);
  await kube.delete(mcpSessions, 'default', 'agent');
  await refresh();
  await clock.advance(120_000);
  assert.equal(running.activity.size, 0);
});
