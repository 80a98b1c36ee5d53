// What the MCP gateway measures of itself.

import type { McpSession } from '@tvm/api/kinds/mcp-session.ts';
import { sessionStates } from '@tvm/api/kinds/mcp-session.ts';
import { Gauge, Histogram, type Registry } from '@tvm/kit/metrics.ts';
import type { OpenRequests } from './open-requests.ts';

const secondsBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** A request was answered with this status; the answer may still be streaming. */
export type OnAnswered = (route: 'session' | 'server', status: number, ms: number) => void;

export function measureGateway(
  registers: Registry[],
  { sessions, open }: { sessions: () => McpSession[]; open: OpenRequests },
): OnAnswered {
  const requests = new Histogram({
    name: 'tvm_mcp_request_duration_seconds',
    help: 'Requests of MCP sessions until their answer begins, by route (session, or server: the bridge) and status.',
    labelNames: ['route', 'status'],
    buckets: secondsBuckets,
    registers,
  });
  new Gauge({
    name: 'tvm_mcp_open_requests',
    help: 'Requests of MCP sessions that are being answered, streams among them.',
    registers,
    collect() {
      this.set(open.size);
    },
  });
  new Gauge({
    name: 'tvm_mcp_sessions',
    help: 'MCP sessions by state.',
    labelNames: ['state'],
    registers,
    collect() {
      for (const state of sessionStates) this.set({ state }, 0);
      for (const { status } of sessions()) this.inc({ state: status?.state ?? 'Pending' });
    },
  });
  return (route, status, ms) => requests.observe({ route, status: String(status) }, ms / 1000);
}
