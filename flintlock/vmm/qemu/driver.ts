// The QEMU driver: microvm machines, one process each, run by QMP.
import { existsSync, rmSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import { TvmError } from '@tvm/api/errors.ts';
import type { Logger } from '@tvm/kit/log.ts';
import { z } from 'zod';
import {
  type Confinement,
  type ConfinementSettings,
  makeConfinement,
  type VmmNeeds,
} from '../../confinement/confinement.ts';
import { type ControlGroups, makeControlGroups } from '../../confinement/control-groups.ts';
import type { GroupLimits } from '../../confinement/group-settings.ts';
import { guestMac } from '../../network/commands.ts';
import { withTap } from '../../network/tap.ts';
import {
  type Acceleration,
  type Accelerator,
  checkSocketPath,
  type Driver,
  largestFileMiB,
  savedDiskPath,
  type Vm,
  type VmDisk,
  type VmSpec,
  type VmUsage,
  vmUnreachable,
} from '../driver.ts';
import { kvmPath } from '../kvm-probe.ts';
import { type ProcessIdentity, stderrTail } from '../process.ts';
import { ProcessDriver } from '../process-driver.ts';
import { type MemoryBacking, qemuArguments } from './command-line.ts';
import { resizeDisk } from './disk-size.ts';
import { diskUseOf } from './disk-use.ts';
import { files, pathOf, snapshotFiles, vmmFiles } from './files.ts';
import { qemuProgram, qemuVersion, tscKhz } from './host.ts';
import { knownAcceleration, probeKvm } from './probe.ts';
import { connected, openQmp, type Qmp } from './qmp.ts';
import { checkSnapshot, factsOf, load, namesAndSizes, save, snapshotFacts } from './snapshot.ts';

export interface QemuDriverDeps {
  /** Absolute; the probe's answer is kept there. */
  stateFolder: string;
  accelerator: 'auto' | 'kvm' | 'tcg';
  confinement: ConfinementSettings;
  /** That VMs have together; undefined: all of the host. */
  cpus?: number;
  log: Logger;
}

interface QemuDriverParts {
  probeDeps: Parameters<typeof probeKvm>[0];
  frequency: number | undefined;
  confinement: Confinement;
  groups: ControlGroups;
  known: Acceleration | undefined;
}

/** What is known of a VM's process: what its snapshots have to say of it. */
const vmmFacts = z.object({
  shape: snapshotFacts,
  rootDiskPath: z.string(),
  disks: z.array(z.object({ name: z.string(), path: z.string(), sizeMiB: z.int() })).optional(),
});
type VmmFacts = z.infer<typeof vmmFacts>;
type VmmIdentity = VmmFacts & ProcessIdentity;

/** Of the folder of a VMM that only separates memory from state: it has no record, and is swept when flintlock starts. */
const separatorSuffix = 's';

export async function makeQemuDriver(deps: QemuDriverDeps): Promise<Driver> {
  const version = await qemuVersion();
  const [frequency, confinement] = await Promise.all([
    tscKhz(),
    makeConfinement(qemuProgram, deps.confinement, deps.stateFolder),
  ]);
  const groups = makeControlGroups(deps.stateFolder, deps.cpus ?? availableParallelism());
  if (groups.unavailable !== '') deps.log.warn({ why: groups.unavailable }, 'virtual machine monitors have no limits');
  const cachePath = join(deps.stateFolder, 'accelerator.json');
  const probeDeps = { wanted: deps.accelerator, qemuVersion: version, cachePath, log: deps.log };
  return new QemuDriver({ probeDeps, frequency, confinement, groups, known: await knownAcceleration(probeDeps) });
}

class QemuDriver extends ProcessDriver<VmmFacts> implements Driver {
  readonly name = 'qemu';
  readonly #probeDeps: Parameters<typeof probeKvm>[0];
  readonly #tscKhz: number | undefined;
  readonly #confinement: Confinement;
  readonly #groups: ControlGroups;
  #acceleration: Acceleration | undefined;
  #probing: Promise<Acceleration> | undefined;
  constructor({ probeDeps, frequency, confinement, groups, known }: QemuDriverParts) {
    super({ facts: vmmFacts, files, openConsole: (vm) => connected(pathOf(vm, 'console')) });
    this.#probeDeps = probeDeps;
    this.#tscKhz = frequency;
    this.#confinement = confinement;
    this.#groups = groups;
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

  confinement() {
    const { level, reason } = this.#confinement;
    return { level, reason };
  }

  limitsUnavailable(): string {
    return this.#groups.unavailable;
  }

  fingerprint(): string {
    const { accelerator = 'none' } = this.#acceleration ?? {};
    // Emulated guests see a processor of QEMU's own, whatever the host has, but for its clock.
    const processor = accelerator === 'kvm' ? cpus()[0]?.model : `${this.#tscKhz ?? 0} kHz`;
    return `qemu ${this.#probeDeps.qemuVersion} ${accelerator} ${processor}`;
  }

  checkFolder(folder: string): void {
    checkSocketPath(`${folder}${separatorSuffix}/${files.vmm}`, vmmFiles.console);
  }

  async start(vm: Vm, spec: VmSpec): Promise<void> {
    using started = await this.#launch(vm, spec, { kind: 'file' }, true);
    started?.seal();
  }

  async restore(vm: Vm, spec: VmSpec, snapshotFolder: string): Promise<void> {
    if (this.alive(vm)) return;
    const { accelerator } = await this.probe(spec.boot);
    await checkSnapshot(snapshotFolder, factsOf(spec, accelerator, this.#probeDeps.qemuVersion));
    const memory = { kind: 'clone', path: join(snapshotFolder, snapshotFiles.memory) } as const;
    using started = await this.#launch(vm, spec, memory, false);
    if (!started) return;
    const { qmp, seal } = started;
    await load(vm, qmp, { folder: snapshotFolder, memory: 'file', seal });
    await qmp.execute('cont');
  }

  override async destroy(vm: Vm): Promise<void> {
    await super.destroy(vm);
    await this.#groups.remove(vm);
  }

  override async sweep(machinesFolder: string, keep: ReadonlySet<string>): Promise<string[]> {
    const swept = await super.sweep(machinesFolder, keep);
    await this.#groups.sweep(keep);
    return swept;
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
      const status = await statusOf(qmp);
      // QEMU moves the state of a VM once after it was stopped: one that stays paused runs for a moment in between.
      if (status === 'postmigrate') await qmp.execute('cont');
      await qmp.execute('stop');
      try {
        await save(vm, qmp, snapshotFolder, identity.shape);
      } finally {
        if (status === 'running') await qmp.execute('cont');
      }
    });
    if (identity.shape.memory === 'state') await this.#separateMemory(vm, identity, snapshotFolder);
  }

  /**
   * A VM that was itself restored has its memory in its state. It is loaded once more by a VMM that keeps memory in a file,
   * so that what starts from the snapshot maps that file and shares it.
   */
  async #separateMemory(vm: Vm, { shape, rootDiskPath, disks }: VmmIdentity, snapshotFolder: string): Promise<void> {
    const { cpus, memoryMiB, needsAcpi } = shape;
    const network = shape.network ? unplugged : undefined;
    const boot = { kernelPath: '', initrdPath: '', kernelArgs: [], needsAcpi };
    const other = { id: `${vm.id}${separatorSuffix}`, folder: `${vm.folder}${separatorSuffix}` };
    try {
      using started = await this.#launch(
        other,
        { cpus, memoryMiB, rootDiskPath, boot, disks: copiesOf(disks, snapshotFolder), network },
        { kind: 'file' },
        false,
      );
      if (!started) throw new TvmError('internal', `${other.folder} is in use`);
      const { qmp, seal } = started;
      await load(other, qmp, { folder: snapshotFolder, memory: 'state', seal });
      await save(other, qmp, snapshotFolder, { ...shape, memory: 'file' });
    } finally {
      await this.destroy(other);
      rmSync(other.folder, { recursive: true, force: true });
    }
  }

  async growDisk(vm: Vm, disk: VmDisk): Promise<void> {
    const { shape, rootDiskPath, disks = [] } = this.require(vm, 'grow a disk of');
    if (disks.some(({ name, sizeMiB }) => name === disk.name && sizeMiB === disk.sizeMiB)) return;
    const now = disks.map((each) => (each.name === disk.name ? disk : each));
    await this.#converse(vm, 'grow a disk of', (qmp) => resizeDisk(qmp, disk));
    this.recordVmm(vm, { shape: { ...shape, disks: namesAndSizes(now) }, rootDiskPath, disks: now });
  }

  async dial(vm: Vm) {
    this.require(vm, 'dial');
    return await connected(pathOf(vm, 'agent')).catch((cause) => {
      throw vmUnreachable(vm, 'dial', cause);
    });
  }

  override async usage(vm: Vm): Promise<VmUsage> {
    // One that does not answer is still measured from outside.
    const disk = await this.#converse(vm, 'measure', diskUseOf).catch(() => undefined);
    return { ...(await super.usage(vm)), disk };
  }

  protected async isRunning(vm: Vm): Promise<boolean> {
    return await this.#converse(vm, 'inspect', async (qmp) => (await statusOf(qmp)) === 'running');
  }

  /** Starts QEMU and answers when it does; undefined when the VM is there already. */
  async #launch(vm: Vm, spec: VmSpec, memory: MemoryBacking, boots: boolean): Promise<Started | undefined> {
    if (this.alive(vm)) return undefined;
    const { accelerator } = await this.probe(spec.boot);
    this.clearFolder(vm);
    const args = qemuArguments({ id: vm.id, spec, accelerator, memory, boots, tscKhz: this.#tscKhz });
    const shape = {
      ...factsOf(spec, accelerator, this.#probeDeps.qemuVersion),
      memory: memory.kind === 'file' ? ('file' as const) : ('state' as const),
    };
    const facts: VmmFacts = { shape, rootDiskPath: spec.rootDiskPath, disks: spec.disks };
    const confined = this.#confinement.prepare(vm, needsOf(spec, accelerator, memory, boots));
    const folder = join(vm.folder, files.vmm);
    const groupLimits = groupLimitsOf(spec, accelerator);
    const command = withTap(spec.network, this.#groups.enter(vm, groupLimits, confined.command(args)));
    this.launch(vm, { ...command, folder, isWrapper: true, memoryMiB: largestFileMiB(spec), facts });
    try {
      const qmp = await openQmp(pathOf(vm, 'qmp'), () => this.alive(vm) !== undefined);
      this.recordVmm(vm, facts);
      return { qmp, seal: confined.seal, [Symbol.dispose]: () => qmp[Symbol.dispose]() };
    } catch (cause) {
      const said = stderrTail(vm);
      await this.kill(vm);
      const message = `QEMU did not start: ${said || 'it says nothing'}`;
      throw new TvmError('internal', message, { cause, object: `vm/${vm.id}`, reason: 'VmmStartFailed' });
    }
  }

  async #converse<T>(vm: Vm, operation: string, talk: (qmp: Qmp) => Promise<T>): Promise<T> {
    this.require(vm, operation);
    using qmp = await openQmp(pathOf(vm, 'qmp'));
    return await talk(qmp);
  }
}

/** Of a VM that never runs. */
const unplugged = { namespace: '', tap: '', mac: guestMac };

/** The snapshot's, since the VM goes on with its own; one that ends after this has no copies, and lends them. */
function copiesOf(disks: VmDisk[] | undefined, snapshotFolder: string): VmDisk[] | undefined {
  return disks?.map((disk) => {
    const copy = savedDiskPath(snapshotFolder, disk.name);
    return existsSync(copy) ? { ...disk, path: copy } : disk;
  });
}

const mostThreads = 256;
const overheadMiB = 256;
/** Of an emulator: what it has translated, a quarter of which it drops when this is full. */
const translationMiB = 1024;

function groupLimitsOf({ memoryMiB, limits }: VmSpec, accelerator: Accelerator): GroupLimits {
  const needed = memoryMiB + overheadMiB + (accelerator === 'kvm' ? 0 : translationMiB);
  return { memoryMiB: needed, threads: mostThreads, cpuPercent: limits?.cpuPercent };
}

/** A VMM that answers. */
interface Started extends Disposable {
  qmp: Qmp;
  /** From now on QEMU can make no files. */
  seal(): void;
}

function needsOf(spec: VmSpec, accelerator: Accelerator, memory: MemoryBacking, boots: boolean): VmmNeeds {
  const { kernelPath, initrdPath } = spec.boot;
  const privateMemory = memory.kind === 'clone' ? memory.path : undefined;
  return {
    readable: [
      spec.rootDiskPath,
      ...(boots ? [kernelPath, initrdPath] : []),
      ...(privateMemory ? [privateMemory] : []),
    ],
    writable: (spec.disks ?? []).map(({ path }) => path),
    privateMemory,
    devices: accelerator === 'kvm' ? [kvmPath] : [],
  };
}

async function statusOf(qmp: Qmp): Promise<string> {
  const { status } = (await qmp.execute('query-status')) as { status?: unknown };
  return String(status);
}
