// Local copies of the objects of all kinds, each as its controller may rely on it.
import { type McpSessionSpec, type McpSessionStatus, mcpSessionKind } from '@tvm/api/kinds/mcp-session.ts';
import { type MicroVmSpec, type MicroVmStatus, microVmKind } from '@tvm/api/kinds/microvm.ts';
import { type MicroVmPoolSpec, type MicroVmPoolStatus, microVmPoolKind } from '@tvm/api/kinds/microvm-pool.ts';
import {
  type MicroVmSnapshotSpec,
  type MicroVmSnapshotStatus,
  microVmSnapshotKind,
} from '@tvm/api/kinds/microvm-snapshot.ts';
import type { Clock } from '@tvm/kit/clock.ts';
import { makeReflector } from '@tvm/kit/controller/reflector.ts';
import { type KubeClient, mcpSessions, microVmPools, microVmSnapshots, microVms } from '@tvm/kit/kube/client.ts';
import type { Logger } from '@tvm/kit/log.ts';
import { checkedBy } from './checked-objects.ts';

const nothing = { image: '', cpu: 1, memory: 64 };

const checkMicroVm = checkedBy<MicroVmSpec, MicroVmStatus>({
  ...microVmKind,
  standIn: () => ({ ...nothing, desiredState: 'Stopped' }),
});
const checkPool = checkedBy<MicroVmPoolSpec, MicroVmPoolStatus>({
  ...microVmPoolKind,
  standIn: () => ({ minReady: 0, maxReady: 0, template: { spec: nothing } }),
});
const checkSnapshot = checkedBy<MicroVmSnapshotSpec, MicroVmSnapshotStatus>({
  ...microVmSnapshotKind,
  // What somebody asked to be kept is kept.
  standIn: (spec) => ({
    source: { microVM: '' },
    deletionPolicy: JSON.stringify(spec ?? {}).includes('"Retain"') ? 'Retain' : 'Delete',
  }),
});
const checkSession = checkedBy<McpSessionSpec, McpSessionStatus>({
  ...mcpSessionKind,
  standIn: () => ({ userId: '', groupId: '' }) as McpSessionSpec,
});

export type Reflectors = ReturnType<typeof makeReflectors>;

export function makeReflectors(deps: { client: KubeClient; clock: Clock; log: Logger }) {
  return {
    microVms: makeReflector({ ...deps, resource: microVms, parse: checkMicroVm }),
    pools: makeReflector({ ...deps, resource: microVmPools, parse: checkPool }),
    snapshots: makeReflector({ ...deps, resource: microVmSnapshots, parse: checkSnapshot }),
    sessions: makeReflector({ ...deps, resource: mcpSessions, parse: checkSession }),
  };
}
