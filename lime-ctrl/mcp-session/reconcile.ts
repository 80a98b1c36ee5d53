// Keeps the status of an MCPSession true to the MicroVM it names.
import type { McpSession } from '@tvm/api/kinds/mcp-session.ts';
import type { MicroVm } from '@tvm/api/kinds/microvm.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import type { ReconcileResult } from '@tvm/kit/controller/controller.ts';
import { type KubeClient, mcpSessions } from '@tvm/kit/kube/client.ts';
import type { EventRecorder } from '@tvm/kit/kube/event-recorder.ts';
import { planMcpSession } from './plan.ts';

export interface McpSessionDeps {
  client: KubeClient;
  session: (key: string) => McpSession | undefined;
  microVm: (key: string) => MicroVm | undefined;
  recorder: EventRecorder;
  clock: Clock;
}

export function makeMcpSessionReconcile(deps: McpSessionDeps): (key: string) => Promise<ReconcileResult> {
  return async (key) => {
    const session = deps.session(key);
    if (!session || session.metadata.deletionTimestamp) return {};
    const vm = session.spec.vmId ? deps.microVm(`${session.metadata.namespace}/${session.spec.vmId}`) : undefined;
    const { status, events } = planMcpSession(session, vm, deps.clock.now());
    if (status !== session.status) await deps.client.updateStatus(mcpSessions, { ...session, status });
    for (const event of events) deps.recorder.record(session, event);
    return {};
  };
}
