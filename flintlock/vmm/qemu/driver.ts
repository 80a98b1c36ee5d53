// The QEMU driver: microvm machines, one process each, run by QMP.
import { rmSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { TvmError } from '@tvm/api/errors.ts';
import type { Logger } from '@tvm/kit/log.ts';
import { z } from 'zod';
import { type Acceleration, checkSocketPath, type Driver, type Vm, type VmSpec, vmUnreachable } from '../driver.ts';
import { type ProcessIdentity, stderrTail } from '../process.ts';
import { ProcessDriver } from '../process-driver.ts';
import { type MemoryBacking, qemuArguments } from './command-line.ts';
import { files, snapshotFiles } from './files.ts';
import { qemuProgram, qemuVersion, tscKhz } from './host.ts';
import { knownAcceleration, probeKvm } from './probe.ts';
import { connected, openQmp, type Qmp } from './qmp.ts';
import { checkSnapshot, factsOf, load, save, snapshotFacts } from './snapshot.ts';

export interface QemuDriverDeps {
  /** Absolute; the probe's answer is kept there. */
  stateFolder: string;
  accelerator: 'auto' | 'kvm' | 'tcg';
  log: Logger;
}

/** What is known of a VM's process: what its snapshots have to say of it. */
const vmmFacts = z.object({ shape: snapshotFacts, rootDiskPath: z.string() });
type VmmFacts = z.infer<typeof vmmFacts>;
type VmmIdentity = VmmFacts & ProcessIdentity;

/** Of the folder of a VMM that only separates memory from state: it has no record, and is swept when flintlock starts. */
const separatorSuffix = 's';

export async function makeQemuDriver(deps: QemuDriverDeps): Promise<Driver> {
  const version = await qemuVersion();
  const frequency = await tscKhz();
  const cachePath = join(deps.stateFolder, 'accelerator.json');
  const probeDeps = { wanted: deps.accelerator, qemuVersion: version, cachePath, log: deps.log };
  return new QemuDriver(probeDeps, frequency, await knownAcceleration(probeDeps));
}

class QemuDriver extends ProcessDriver<VmmFacts> implements Driver {
  readonly name = 'qemu';
  readonly #probeDeps: Parameters<typeof probeKvm>[0];
  readonly #tscKhz: number | undefined;
  #acceleration: Acceleration | undefined;
  #probing: Promise<Acceleration> | undefined;
  constructor(
    probeDeps: Parameters<typeof probeKvm>[0],
    frequency: number | undefined,
    known: Acceleration | undefined,
  ) {
    super({ facts: vmmFacts, files, openConsole: (vm) => connected(join(vm.folder, files.console)) });
    this.#probeDeps = probeDeps;
    this.#tscKhz = frequency;
    this.#acceleration = known;
  }

  async probe(boot: Parameters<Driver['probe']>[0]): Promise<Acceleration> {
    this.#probing ??= this.#acceleration ? Promise.resolve(this.#acceleration) : probeKvm(this.#probeDeps, boot);
    this.#acceleration = await this.#probing;
    return this.#acceleration;
  }

  acceleration(): Acceleration | undefined {
    return this.#acceleration;
  }

  fingerprint(): string {
    const { accelerator = 'none' } = this.#acceleration ?? {};
    // Emulated guests see a processor of QEMU's own, whatever the host has, but for its clock.
    const processor = accelerator === 'kvm' ? cpus()[0]?.model : `${this.#tscKhz ?? 0} kHz`;
    return `qemu ${this.#probeDeps.qemuVersion} ${accelerator} ${processor}`;
  }

  checkFolder(folder: string): void {
    checkSocketPath(`${folder}${separatorSuffix}`, files.console);
  }

  async start(vm: Vm, spec: VmSpec): Promise<void> {
    using _ = await this.#launch(vm, spec, { kind: 'file' }, true);
  }

  async restore(vm: Vm, spec: VmSpec, snapshotFolder: string): Promise<void> {
    if (this.alive(vm)) return;
    const { accelerator } = await this.probe(spec.boot);
    await checkSnapshot(snapshotFolder, factsOf(spec, accelerator, this.#probeDeps.qemuVersion));
    const memory = { kind: 'clone', path: join(snapshotFolder, snapshotFiles.memory) } as const;
    using qmp = await this.#launch(vm, spec, memory, false);
    if (!qmp) return;
    await load(vm, qmp, snapshotFolder, 'file');
    await qmp.execute('cont');
  }

  async pause(vm: Vm): Promise<void> {
    await this.#converse(vm, 'pause', (qmp) => qmp.execute('stop'));
  }

  async resume(vm: Vm): Promise<void> {
    await this.#converse(vm, 'resume', (qmp) => qmp.execute('cont'));
  }

  async snapshot(vm: Vm, snapshotFolder: string): Promise<void> {
    const identity = this.require(vm, 'snapshot');
    await this.#converse(vm, 'snapshot', async (qmp) => {
      const wasRunning = await isRunning(qmp);
      await qmp.execute('stop');
      try {
        await save(vm, qmp, snapshotFolder, identity.shape);
      } finally {
        if (wasRunning) await qmp.execute('cont');
      }
    });
    if (identity.shape.memory === 'state') await this.#separateMemory(vm, identity, snapshotFolder);
  }

  /**
   * A VM that was itself restored has its memory in its state. It is loaded once more by a VMM that keeps memory in a file,
   * so that what starts from the snapshot maps that file and shares it.
   */
  async #separateMemory(vm: Vm, { shape, rootDiskPath }: VmmIdentity, snapshotFolder: string): Promise<void> {
    const { cpus, memoryMiB, needsAcpi } = shape;
    const boot = { kernelPath: '', initrdPath: '', kernelArgs: [], needsAcpi };
    const other = { id: `${vm.id}${separatorSuffix}`, folder: `${vm.folder}${separatorSuffix}` };
    try {
      using qmp = await this.#launch(other, { cpus, memoryMiB, rootDiskPath, boot }, { kind: 'file' }, false);
      if (!qmp) throw new TvmError('internal', `${other.folder} is in use`);
      await load(other, qmp, snapshotFolder, 'state');
      await save(other, qmp, snapshotFolder, { ...shape, memory: 'file' });
    } finally {
      await this.destroy(other);
      rmSync(other.folder, { recursive: true, force: true });
    }
  }

  async dial(vm: Vm) {
    this.require(vm, 'dial');
    return await connected(join(vm.folder, files.agent)).catch((cause) => {
      throw vmUnreachable(vm, 'dial', cause);
    });
  }

  protected async isRunning(vm: Vm): Promise<boolean> {
    return await this.#converse(vm, 'inspect', isRunning);
  }

  /** Starts QEMU and answers when it does; undefined when the VM is there already. */
  async #launch(vm: Vm, spec: VmSpec, memory: MemoryBacking, boots: boolean): Promise<Qmp | undefined> {
    if (this.alive(vm)) return undefined;
    const { accelerator } = await this.probe(spec.boot);
    this.clearFolder(vm);
    const args = qemuArguments({ id: vm.id, spec, accelerator, memory, boots, tscKhz: this.#tscKhz });
    const shape = {
      ...factsOf(spec, accelerator, this.#probeDeps.qemuVersion),
      memory: memory.kind === 'file' ? ('file' as const) : ('state' as const),
    };
    const facts: VmmFacts = { shape, rootDiskPath: spec.rootDiskPath };
    this.launch(vm, { program: qemuProgram, args, memoryMiB: spec.memoryMiB, facts });
    try {
      return await openQmp(join(vm.folder, files.qmp), () => this.alive(vm) !== undefined);
    } catch (cause) {
      const said = stderrTail(vm);
      await this.kill(vm);
      const message = `QEMU did not start: ${said || 'it says nothing'}`;
      throw new TvmError('internal', message, { cause, object: `vm/${vm.id}`, reason: 'VmmStartFailed' });
    }
  }

  async #converse<T>(vm: Vm, operation: string, talk: (qmp: Qmp) => Promise<T>): Promise<T> {
    this.require(vm, operation);
    using qmp = await openQmp(join(vm.folder, files.qmp));
    return await talk(qmp);
  }
}

async function isRunning(qmp: Qmp): Promise<boolean> {
  const { running } = (await qmp.execute('query-status')) as { running?: boolean };
  return running === true;
}
