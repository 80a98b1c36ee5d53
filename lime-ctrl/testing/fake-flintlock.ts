// A flintlock in memory for tests: machines that change state at once, a tiny command language for Exec, faults on demand.
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import type { ConnectRouter } from '@connectrpc/connect';
import { TvmError } from '@tvm/api/errors.ts';
import {
  type ExecRequest,
  ExecResponseSchema,
  Flintlock,
  type Machine,
  MachineEventKind,
  MachineSchema,
  type MachineSpec,
  MachineState,
  type Snapshot,
  SnapshotSchema,
  type TemplateSchema,
} from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import type { FlintlockClient } from '../flintlock/client.ts';
import { clientOfRoutes } from './client-of-routes.ts';
import { dialFakePort } from './fake-ports.ts';
import { runFakeProgram } from './fake-program.ts';

export interface FakeFlintlock {
  client: FlintlockClient;
  machines: Map<string, Machine>;
  /** Every call that changes a machine, as "create UID". */
  calls: string[];
  memoryMiB: number;
  /** Images that cannot be pulled, with the registry's words. */
  badImages: Map<string, string>;
  /** Machines stay CREATING until this resolves. */
  boot: Promise<void>;
  /** Whether machines are restored from templates; they boot otherwise. */
  templates: boolean;
  /** Templates that the node tells of. */
  building: MessageInitShape<typeof TemplateSchema>[];
  /** Machines in which no process can be started any more. */
  deaf: Set<string>;
  /** Ports of this host that stand for ports of every machine. */
  ports: Map<number, number>;
  /** The most memory that machines had at once, the most machines that were CREATING at once. */
  mostMiB: number;
  mostMaking: number;
  snapshots: Map<string, Snapshot>;
  /** Disks that were retained, by key. */
  disks: Set<string>;
  /** What snapshotMachine fails with. */
  snapshotError: TvmError | undefined;
  /** Environment given to each machine. */
  envs: Map<string, Record<string, string>>;
  /** For registries, that machines were made with. */
  credentials: Map<string, string[]>;
  /** Changes a machine as its VMM would: a crash, an end. */
  change(uid: string, change: Partial<Machine>): void;
  /** Breaks every call and watch until `restore`. */
  goAway(): void;
  restore(): void;
}

export function makeFakeFlintlock(name = 'node-a'): FakeFlintlock {
  const machines = new Map<string, Machine>();
  const watchers = new Set<(machine: Machine, kind: MachineEventKind) => void>();
  let revision = 0n;
  let away = new AbortController();
  const emit = (machine: Machine, kind: MachineEventKind) => {
    for (const watcher of watchers) watcher(create(MachineSchema, machine), kind);
  };

  const fake: FakeFlintlock = {
    client: undefined as never,
    machines,
    calls: [],
    memoryMiB: 4096,
    badImages: new Map(),
    boot: Promise.resolve(),
    templates: false,
    building: [],
    deaf: new Set(),
    ports: new Map(),
    snapshots: new Map(),
    disks: new Set(),
    snapshotError: undefined,
    mostMiB: 0,
    mostMaking: 0,
    envs: new Map(),
    credentials: new Map(),
    change(uid, change) {
      const machine = machines.get(uid);
      if (!machine) return;
      revision += 1n;
      const next = { ...machine, ...change, revision } as Machine;
      machines.set(uid, next);
      emit(next, MachineEventKind.CHANGED);
    },
    goAway: () => away.abort(),
    restore() {
      away = new AbortController();
    },
  };

  function find(uid: string, generation?: bigint): Machine {
    if (away.signal.aborted) throw new TvmError('unavailable', 'the fake node is away');
    const machine = machines.get(uid);
    if (!machine) throw new TvmError('not_found', `machine ${uid} is not here`);
    if (generation !== undefined && generation < machine.generation) {
      throw new TvmError('failed_precondition', `generation ${generation} is stale`, { reason: 'StaleGeneration' });
    }
    return machine;
  }

  const usedMiB = () => [...machines.values()].reduce((sum, each) => sum + (each.spec?.memoryMib ?? 0), 0);

  function noteMost(): void {
    const making = [...machines.values()].filter(({ state }) => state === MachineState.CREATING);
    fake.mostMiB = Math.max(fake.mostMiB, usedMiB());
    fake.mostMaking = Math.max(fake.mostMaking, making.length);
  }

  function bootSoon(uid: string, spec: MachineSpec): void {
    void fake.boot.then(() => {
      const refused = fake.badImages.get(spec.image);
      if (machines.get(uid)?.state !== MachineState.CREATING) return;
      if (refused !== undefined) {
        return fake.change(uid, {
          state: MachineState.FAILED,
          reason: 'ImagePullFailed',
          message: refused,
          errorCode: 'not_found',
        });
      }
      fake.change(uid, {
        state: spec.standby ? MachineState.PAUSED : MachineState.RUNNING,
        restored: fake.templates || spec.snapshot !== '',
        reason: '',
        message: '',
        bootMs: 7,
        bootId: `boot-${uid}-${revision}`,
        imageDigest: `sha256:${spec.image}`,
        startedAtMs: BigInt(Date.now()),
      });
    });
  }

  async function changed(
    call: string,
    { uid, generation }: { uid: string; generation: bigint },
    change: Partial<Machine>,
  ): Promise<Machine> {
    fake.calls.push(`${call} ${uid}`);
    find(uid, generation);
    fake.change(uid, { ...change, generation });
    return find(uid);
  }

  const routes = (router: ConnectRouter) =>
    router.service(Flintlock, {
      getNode: () => ({
        name,
        version: 'fake',
        driver: 'fake',
        accelerator: 'none',
        cpus: 4,
        memoryMib: BigInt(fake.memoryMiB),
        memoryFreeMib: BigInt(Math.max(0, fake.memoryMiB - usedMiB())),
        machineLimit: 100,
        images: ['tvm/python'],
        templates: fake.building,
        retainedDisks: [...fake.disks],
      }),
      createMachine: ({ uid, generation, spec, labels, env, registryCredentials }) => {
        fake.calls.push(`create ${uid}`);
        if (away.signal.aborted) throw new TvmError('unavailable', 'the fake node is away');
        const existing = machines.get(uid);
        if (existing) return existing;
        if (!spec) throw new TvmError('invalid_argument', 'no spec');
        if (spec.snapshot !== '' && !fake.snapshots.has(spec.snapshot)) {
          throw new TvmError('not_found', `snapshot ${spec.snapshot} is not on this node`);
        }
        if (usedMiB() + spec.memoryMib > fake.memoryMiB) throw new TvmError('resource_exhausted', 'no room');
        revision += 1n;
        const machine = create(MachineSchema, {
          uid,
          generation,
          spec,
          labels,
          state: MachineState.CREATING,
          revision,
        });
        machines.set(uid, machine);
        fake.envs.set(uid, env);
        fake.credentials.set(uid, registryCredentials);
        noteMost();
        emit(machine, MachineEventKind.CHANGED);
        bootSoon(uid, spec);
        return machine;
      },
      startMachine: async (request) => {
        const machine = find(request.uid);
        if (machine.state !== MachineState.STOPPED && machine.state !== MachineState.FAILED) return machine;
        fake.envs.set(request.uid, request.env);
        const started = await changed('start', request, { state: MachineState.CREATING, reason: '', message: '' });
        if (started.spec) bootSoon(request.uid, started.spec);
        return started;
      },
      pauseMachine: (request) => changed('pause', request, { state: MachineState.PAUSED }),
      resumeMachine: (request) => changed('resume', request, { state: MachineState.RUNNING }),
      stopMachine: (request) => changed('stop', request, { state: MachineState.STOPPED, reason: 'Requested' }),
      destroyMachine: ({ uid }) => {
        fake.calls.push(`destroy ${uid}`);
        if (away.signal.aborted) throw new TvmError('unavailable', 'the fake node is away');
        const machine = machines.get(uid);
        if (!machine) return {};
        machines.delete(uid);
        emit(machine, MachineEventKind.REMOVED);
        return {};
      },
      snapshotMachine: ({ uid, generation, name }) => {
        fake.calls.push(`snapshot ${uid}`);
        const machine = find(uid, generation);
        if (fake.snapshotError) throw fake.snapshotError;
        if (machine.state !== MachineState.RUNNING && machine.state !== MachineState.PAUSED)
          throw new TvmError('failed_precondition', `machine ${uid} is not up`);
        const { spec, labels } = machine;
        const taken = {
          name,
          machineUid: uid,
          generation: fake.snapshots.size + 1,
          spec,
          labels,
          sizeBytes: 5n,
          createdAtMs: BigInt(Date.now()),
        };
        const snapshot =
          fake.snapshots.get(name) ?? create(SnapshotSchema, taken as MessageInitShape<typeof SnapshotSchema>);
        fake.snapshots.set(name, snapshot);
        return snapshot;
      },
      getSnapshot: ({ name }) => {
        if (away.signal.aborted) throw new TvmError('unavailable', 'the fake node is away');
        const found = fake.snapshots.get(name);
        if (found) return found;
        throw new TvmError('not_found', `there is no snapshot ${name}`);
      },
      listSnapshots: () => {
        if (away.signal.aborted) throw new TvmError('unavailable', 'the fake node is away');
        return { snapshots: [...fake.snapshots.values()] };
      },
      deleteSnapshot: ({ name }) => {
        fake.calls.push(`deleteSnapshot ${name}`);
        if (away.signal.aborted) throw new TvmError('unavailable', 'the fake node is away');
        fake.snapshots.delete(name);
        return {};
      },
      listDisks: () => ({
        disks: [...fake.disks].map((key) => ({ key, sizeMib: 64, allocatedBytes: 5n, machineUid: '' })),
      }),
      deleteDisk: ({ key }) => {
        fake.disks.delete(key);
        return {};
      },
      getMachine: ({ uid }) => find(uid),
      listMachines: () => ({ machines: [...machines.values()] }),
      watchMachines: async function* (_request, context) {
        const queue: { machine?: Machine; kind: MachineEventKind }[] = [...machines.values()].map((machine) => ({
          machine,
          kind: MachineEventKind.CHANGED,
        }));
        queue.push({ kind: MachineEventKind.SYNCED });
        let wake = () => {};
        const watcher = (machine: Machine, kind: MachineEventKind) => {
          queue.push({ machine, kind });
          wake();
        };
        watchers.add(watcher);
        const ended = AbortSignal.any([context.signal, away.signal]);
        try {
          while (!ended.aborted) {
            const event = queue.shift();
            if (event) yield event;
            else
              await new Promise<void>((resolve) => {
                wake = resolve;
                ended.addEventListener('abort', () => resolve(), { once: true });
              });
          }
          throw new TvmError('unavailable', 'the fake node is away');
        } finally {
          watchers.delete(watcher);
        }
      },
      exec: async function* (requests: AsyncIterable<ExecRequest>, context) {
        for await (const output of runFakeProgram(
          requests,
          (uid) => {
            const machine = find(uid);
            if (fake.deaf.has(uid)) {
              fake.change(uid, { state: MachineState.FAILED, reason: 'VmmExited' });
              throw new TvmError('unavailable', 'the machine ended', { reason: 'VmmExited' });
            }
            const waits = machine.state === MachineState.PAUSED && machine.spec?.standby && !machine.used;
            if (machine.state !== MachineState.RUNNING && !waits)
              throw new TvmError('failed_precondition', `machine ${uid} does not run`);
            fake.change(uid, { used: true, state: MachineState.RUNNING, lastActiveAtMs: BigInt(Date.now()) });
          },
          AbortSignal.any([context.signal, away.signal]),
        )) {
          yield create(ExecResponseSchema, { output });
        }
      },
      dialPort: (requests, context) =>
        dialFakePort(
          requests,
          (uid) => {
            const machine = find(uid);
            if (machine.state !== MachineState.RUNNING) {
              throw new TvmError('failed_precondition', `machine ${uid} does not run`);
            }
            return fake.ports;
          },
          AbortSignal.any([context.signal, away.signal]),
        ),
      listProcesses: ({ uid }) => {
        find(uid);
        return { processes: [] };
      },
      listImages: () => ({
        images: [{ reference: 'tvm/python', digest: 'sha256:00', sizeBytes: 1n, createdAtMs: 0n }],
      }),
    });

  fake.client = clientOfRoutes(routes);
  return fake;
}
