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
import type { Machines } from '../machines/machines.ts';
import type { SnapshotStore } from '../snapshots/snapshot-store.ts';
import { machineMessage, snapshotMessage, specOf } from './convert.ts';

const logChunkBytes = 64 * 1024;
const eventKind = {
  changed: MachineEventKind.CHANGED,
  removed: MachineEventKind.REMOVED,
  synced: MachineEventKind.SYNCED,
} as const;

type Calls =
  | 'createMachine'
  | 'startMachine'
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
  return {
    async createMachine({ uid, generation, spec, labels, env, registryCredentials }) {
      drain.checkOpen();
      const declared = { uid, generation: Number(generation), spec: specOf(spec), labels };
      return machineMessage(await machines.create(declared, env, registryCredentials));
    },
    startMachine({ uid, generation, env }) {
      drain.checkOpen();
      return machineMessage(machines.start(uid, Number(generation), env));
    },
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
      return snapshotMessage(await machines.snapshot(uid, Number(generation), name));
    },
    async getSnapshot({ name }) {
      const found = await snapshots.find(name);
      if (found) return snapshotMessage(found);
      throw new TvmError('not_found', `there is no snapshot ${name} on this node`, { object: `snapshot/${name}` });
    },
    listSnapshots: async () => ({ snapshots: (await snapshots.list()).map(snapshotMessage) }),
    async deleteSnapshot({ name }) {
      await snapshots.remove(name);
      return {};
    },
    readLogs: (request, context) => readLogs(machines, request, context),
  };
}

async function* readLogs(machines: Machines, { uid, follow, tailBytes }: ReadLogsRequest, context: HandlerContext) {
  const output = machines.output(uid);
  let offset = tailBytes === 0 ? 0 : Math.max(0, output.end - tailBytes);
  while (!context.signal.aborted) {
    const { data, next } = await output.read(offset, logChunkBytes);
    offset = next;
    if (data.length > 0) {
      yield { data };
      continue;
    }
    if (!follow || output.closed || hasEnded(machines, uid)) return;
    await output.changed(offset, context.signal);
  }
}

function hasEnded(machines: Machines, uid: string): boolean {
  const { state } = machines.get(uid);
  return state === 'stopped' || state === 'failed';
}
