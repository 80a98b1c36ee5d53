import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { McpSession } from '@tvm/api/kinds/mcp-session.ts';
import { makeManualClock } from '@tvm/kit/manual-clock.ts';
import { makeRegistry } from '@tvm/kit/metrics.ts';
import { measureGateway } from './metrics.ts';
import { makeOpenRequests } from './open-requests.ts';

test('sessions by state, open requests, answers by status', async () => {
  const registry = makeRegistry();
  const open = makeOpenRequests(makeManualClock());
  const sessions = [{ status: { state: 'Ready' } }, { status: { state: 'Ready' } }, {}] as McpSession[];
  const onAnswered = measureGateway([registry], { sessions: () => sessions, open });
  open.add({ uid: 'a', generation: 1, expiresAtMs: 0, end() {} });
  onAnswered('session', 200, 3);
  onAnswered('server', 401, 1);
  const text = await registry.metrics();
  assert.match(text, /tvm_mcp_sessions\{state="Ready"\} 2/);
  assert.match(text, /tvm_mcp_sessions\{state="Pending"\} 1/);
  assert.match(text, /tvm_mcp_sessions\{state="Failed"\} 0/);
  assert.match(text, /tvm_mcp_open_requests 1/);
  assert.match(text, /tvm_mcp_request_duration_seconds_bucket\{le="0.005",route="session",status="200"\} 1/);
  assert.match(text, /tvm_mcp_request_duration_seconds_count\{route="server",status="401"\} 1/);
});
