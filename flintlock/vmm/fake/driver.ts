// The fake VMM: machines in memory with a guest that speaks the real protocol. For tests and for scale.

import { randomUUID } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { TvmError } from '@tvm/api/errors.ts';
import { checkSocketPath, type Driver, type Vm, vmNotRunning } from '../driver.ts';
import { FakeFiles } from './files.ts';
import type { FakeHost, FakeVm } from './host.ts';
import type { GuestMemory } from './requests.ts';

const killed = { exitCode: null, signal: 'SIGKILL', stderr: '' };
const snapshotFile = 'fake-memory';

/** `host` holds the VMs: drivers with the same host see the same ones. */
export function makeFakeDriver(host: FakeHost): Driver {
  const alive = (vm: Vm, operation: string): FakeVm => {
    const found = host.vms.get(vm.folder);
    if (!found || found.end) throw vmNotRunning(vm, operation, found ? 'ended' : 'absent');
    return found;
  };
  const kill = async (vm: Vm) => host.vms.get(vm.folder)?.finish(killed);
  const acceleration = { accelerator: 'none', reason: 'fake machines execute nothing' } as const;

  return {
    name: 'fake',
    probe: async () => acceleration,
    acceleration: () => acceleration,
    fingerprint: () => 'fake',
    checkFolder: (folder) => checkSocketPath(folder, 'agent.sock'),
    start: async (vm, spec) => host.launch(vm, spec),

    async restore(vm, spec, snapshotFolder) {
      const memory = host.snapshots.get(await readFile(join(snapshotFolder, snapshotFile), 'utf8'));
      if (!memory) throw new TvmError('data_loss', `the snapshot in ${snapshotFolder} is gone with its fake host`);
      host.launch(vm, spec, copyMemory(memory));
    },

    pause: async (vm) => alive(vm, 'pause').pause(),
    resume: async (vm) => alive(vm, 'resume').resume(),

    async snapshot(vm, snapshotFolder) {
      const id = randomUUID();
      host.snapshots.set(id, copyMemory(alive(vm, 'snapshot').memory));
      await writeFile(join(snapshotFolder, snapshotFile), id);
    },

    kill,

    async destroy(vm) {
      await kill(vm);
      host.vms.delete(vm.folder);
    },

    dial: async (vm) => alive(vm, 'dial').dial(),

    async inspect(vm) {
      const found = host.vms.get(vm.folder);
      if (!found) return { state: 'absent' };
      if (found.end) return { state: 'ended', end: found.end };
      return { state: found.paused ? 'paused' : 'running', pid: found.pid };
    },

    watch: (vm, onConsole, signal) => watch(host.vms.get(vm.folder), onConsole, signal),

    async usage(vm) {
      alive(vm, 'measure');
      return { residentBytes: 0, cpuTimeMs: 0 };
    },

    async sweep(machinesFolder, keep) {
      const strays = [...host.vms.keys()].filter((folder) => dirname(folder) === machinesFolder);
      const ended = strays.filter((folder) => !keep.has(basename(folder)));
      for (const folder of ended) {
        host.vms.get(folder)?.finish(killed);
        host.vms.delete(folder);
      }
      return ended.map((folder) => basename(folder));
    },
  };
}

async function watch(vm: FakeVm | undefined, onConsole: (data: Buffer) => void, signal: AbortSignal) {
  if (!vm) return { ...killed, signal: null, console: '' };
  if (vm.end) return vm.end;
  vm.onConsole.push(onConsole);
  try {
    return await new Promise<FakeVm['end']>((resolve) => {
      vm.onEnd.push(resolve);
      signal.addEventListener('abort', () => resolve(undefined), { once: true });
      if (signal.aborted) resolve(undefined);
    });
  } finally {
    vm.onConsole = vm.onConsole.filter((listener) => listener !== onConsole);
  }
}

const nothingRuns = () => ({ processes: new Map(), ports: new Map() });

/** Processes do not go into a fake snapshot. */
function copyMemory(memory: GuestMemory): GuestMemory {
  return { ...memory, env: { ...memory.env }, files: FakeFiles.copyOf(memory.files), ...nothingRuns() };
}
