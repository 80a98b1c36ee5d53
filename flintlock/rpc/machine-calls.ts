// Calls about machines as a whole: life, watching, logs, snapshots.
import { create } from '@bufbuild/protobuf';
import type { HandlerContext, ServiceImpl } from '@connectrpc/connect';
import { TvmError } from '@tvm/api/errors.ts';
import {
  type Flintlock,
  MachineEventKind,
  MachineEventSchema,
  type ReadLogsRequest,
} from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import type { Drain } from '../drain.ts';
import { type LogSource, logSources } from '../machines/log-marks.ts';
import type { Machines } from '../machines/machines.ts';
import { readLog } from '../machines/read-log.ts';
import type { SnapshotManifest, SnapshotStore } from '../snapshots/snapshot-store.ts';
import { diskOf, machineMessage, snapshotMessage, specOf } from './convert.ts';

const eventKind = {
  changed: MachineEventKind.CHANGED,
  removed: MachineEventKind.REMOVED,
  synced: MachineEventKind.SYNCED,
} as const;

type Calls =
  | 'createMachine'
  | 'startMachine'
  | 'growDisks'
  | 'pauseMachine'
  | 'resumeMachine'
  | 'stopMachine'
  | 'destroyMachine'
  | 'getMachine'
  | 'listMachines'
  | 'watchMachines'
  | 'snapshotMachine'
  | 'getSnapshot'
  | 'listSnapshots'
  | 'deleteSnapshot'
  | 'readLogs';

export function makeMachineCalls(
  machines: Machines,
  snapshots: SnapshotStore,
  drain: Drain,
): Pick<ServiceImpl<typeof Flintlock>, Calls> {
  const shown = (found: SnapshotManifest) => snapshotMessage(found, snapshots.diskBytes().get(found.name) ?? 0);
  return {
    async createMachine({ uid, generation, spec, labels, env, registryCredentials }) {
      drain.checkOpen();
      const declared = { uid, generation: Number(generation), spec: specOf(spec), labels };
      return machineMessage(await machines.create(declared, env, registryCredentials));
    },
    startMachine({ uid, generation, env, registryCredentials, disks }) {
      drain.checkOpen();
      machines.growDisks(uid, Number(generation), disks.map(diskOf));
      return machineMessage(machines.start(uid, Number(generation), env, registryCredentials));
    },
    growDisks: async ({ uid, generation, disks }) =>
      machineMessage(await machines.growRunningDisks(uid, Number(generation), disks.map(diskOf))),
    pauseMachine: async ({ uid, generation }) =>
      machineMessage(await machines.setPaused(uid, Number(generation), true)),
    resumeMachine: async ({ uid, generation }) =>
      machineMessage(await machines.setPaused(uid, Number(generation), false)),
    stopMachine: async ({ uid, generation, graceMs }) =>
      machineMessage(await machines.stop(uid, Number(generation), graceMs)),
    async destroyMachine({ uid, generation }) {
      await machines.destroy(uid, Number(generation));
      return {};
    },
    getMachine: ({ uid }) => machineMessage(machines.get(uid)),
    listMachines: ({ labels }) => ({ machines: machines.list(labels).map(machineMessage) }),
    async *watchMachines(_, context) {
      for await (const { kind, record } of machines.watch(context.signal)) {
        const machine = record ? { machine: machineMessage(record) } : {};
        yield create(MachineEventSchema, { kind: eventKind[kind], ...machine });
      }
    },
    async snapshotMachine({ uid, generation, name }) {
      return shown(await machines.snapshot(uid, Number(generation), name));
    },
    async getSnapshot({ name }) {
      const found = await snapshots.find(name);
      if (found) return shown(found);
      throw new TvmError('not_found', `there is no snapshot ${name} on this node`, { object: `snapshot/${name}` });
    },
    async listSnapshots() {
      const found = await snapshots.list();
      const diskBytes = snapshots.diskBytes();
      return { snapshots: found.map((each) => snapshotMessage(each, diskBytes.get(each.name) ?? 0)) };
    },
    async deleteSnapshot({ name }) {
      await snapshots.remove(name);
      return {};
    },
    readLogs: (request, context) => readLogs(machines, request, context),
  };
}

async function* readLogs(machines: Machines, request: ReadLogsRequest, { signal }: HandlerContext) {
  const { uid, follow, tailBytes, tailLines, sinceMs, timestamps } = request;
  const query = {
    follow,
    tailBytes,
    tailLines,
    sinceMs: Number(sinceMs),
    timestamps,
    source: sourceOf(request.source),
  };
  for await (const data of readLog(machines.output(uid), query, () => hasEnded(machines, uid), signal)) yield { data };
}

function sourceOf(name: string): LogSource | undefined {
  if (name === '') return undefined;
  const source = logSources.find((known) => known === name);
  if (source) return source;
  throw new TvmError('invalid_argument', `a log has no source ${name}: it has ${logSources.join(', ')}`);
}

function hasEnded(machines: Machines, uid: string): boolean {
  const { state } = machines.get(uid);
  return state === 'stopped' || state === 'failed';
}
