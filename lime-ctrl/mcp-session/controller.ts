// Runs the reconcile of MCPSessions: what wakes it are sessions and the MicroVMs that they work in.
import type { McpSession } from '@tvm/api/kinds/mcp-session.ts';
import type { MicroVm } from '@tvm/api/kinds/microvm.ts';
import type { MicroVmPool } from '@tvm/api/kinds/microvm-pool.ts';
import type { Reflector } from '@tvm/kit/controller/reflector.ts';
import { makeWorkQueue } from '@tvm/kit/controller/work-queue.ts';
import { keyOf, mcpSessions } from '@tvm/kit/kube/client.ts';
import { refuseInvalid } from '../refuse-invalid.ts';
import { type LoopDeps, runLoop } from '../run-loop.ts';
import { type McpSessionDeps, makeMcpSessionReconcile } from './reconcile.ts';

export interface RunMcpSessionsDeps extends LoopDeps, Omit<McpSessionDeps, 'session' | 'microVm' | 'pools'> {
  sessions: Reflector<McpSession>;
  microVms: Reflector<MicroVm>;
  pools: Reflector<MicroVmPool>;
}

/** Runs until the signal aborts. The reflectors are synced. */
export async function runMcpSessions(deps: RunMcpSessionsDeps, signal: AbortSignal): Promise<void> {
  const { sessions, microVms, pools, clock } = deps;
  const queue = makeWorkQueue(clock);
  const bound = makeBoundIndex();
  const keys = () => sessions.list().map(keyOf);
  const unsubscribe = [
    sessions.subscribe(({ key, object, previous }) => {
      bound.replace(previous, object);
      queue.add(key);
    }),
    microVms.subscribe(({ key, object, previous }) => {
      for (const each of [...bound.to(key), ...ownersOf(object ?? previous)]) queue.add(each);
    }),
  ];
  for (const session of sessions.list()) bound.replace(undefined, session);
  for (const key of keys()) queue.add(key);
  const caches = { session: sessions.get, microVm: microVms.get, pools: pools.list };
  const standing = () => ({ state: 'Failed' });
  const refusal = { ...deps, resource: mcpSessions, get: sessions.get, standing };
  const reconcile = refuseInvalid(refusal, makeMcpSessionReconcile({ ...deps, ...caches }));
  await runLoop(deps, { name: 'mcpsession', queue, reconcile, keys }, signal);
  for (const stop of unsubscribe) stop();
}

/** The keys of sessions by the MicroVM that their vmId names, so that its events need not look at all of them. */
function makeBoundIndex() {
  const index = new Map<string, Set<string>>();
  const nameOf = ({ metadata, spec }: McpSession) => spec.vmId && `${metadata.namespace}/${spec.vmId}`;
  return {
    to: (microVm: string) => index.get(microVm) ?? [],
    replace(before: McpSession | undefined, after: McpSession | undefined): void {
      const [was, is] = [before && nameOf(before), after && nameOf(after)];
      if (before && was) {
        index.get(was)?.delete(keyOf(before));
        if (index.get(was)?.size === 0) index.delete(was);
      }
      if (after && is) index.set(is, (index.get(is) ?? new Set()).add(keyOf(after)));
    },
  };
}

/** The session that made it. */
function ownersOf(vm: MicroVm | undefined): string[] {
  const owners = vm?.metadata.ownerReferences?.filter(({ kind }) => kind === 'MCPSession') ?? [];
  return owners.map(({ name }) => `${vm?.metadata.namespace}/${name}`);
}
