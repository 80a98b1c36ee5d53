// What flintlock needs of a virtual machine monitor, and how it may fail. The same for every VMM.
// Invariant: a driver keeps nothing in memory that it needs: all of a VM is in its folder and in its process, so that a
// new driver (flintlock restarted) finds what the one before started.
import type { Duplex } from 'node:stream';
import { TvmError } from '@tvm/api/errors.ts';

export type DriverName = 'qemu' | 'fake' | 'firecracker';
export type Accelerator = 'kvm' | 'tcg' | 'none';

/** What executes guest code, and why it is not something faster (empty when nothing is). */
export interface Acceleration {
  accelerator: Accelerator;
  reason: string;
}

/** A VM by name. `folder` is absolute, belongs to the driver while the VM exists, and is short enough for sockets in it. */
export interface Vm {
  id: string;
  folder: string;
}

export interface VmBoot {
  kernelPath: string;
  initrdPath: string;
  kernelArgs: string[];
  /** Devices are found by ACPI instead of the kernel's command line. */
  needsAcpi: boolean;
}

export interface VmSpec {
  cpus: number;
  memoryMiB: number;
  /** The immutable root disk (squashfs), attached read-only. */
  rootDiskPath: string;
  boot: VmBoot;
  /** Attached after the root, for writing; none: undefined, or empty. Of a snapshot's VM: the same, in the same order. */
  disks?: VmDisk[] | undefined;
  /** Its network interface; undefined: it has none. Of a snapshot's VM: one as well. */
  network?: VmNetwork | undefined;
  /** Undefined: none but those that every VM has. They may be others than those of a snapshot's VM. */
  limits?: VmLimits | undefined;
}

/** What a VM may take of its host; what is undefined, as much as there is. */
export interface VmLimits {
  /** 100 is one processor. */
  cpuPercent?: number | undefined;
  /** Of each of its disks. */
  diskIops?: number | undefined;
  diskBytesPerSecond?: number | undefined;
}

/** What is behind a VM's network interface: one of the host's, in a network namespace of its own. */
export interface VmNetwork {
  /** Path of the namespace. */
  namespace: string;
  /** Name of the host's interface there; empty: nothing is behind the VM's. */
  tap: string;
  /** Of the VM's interface. */
  mac: string;
}

/** A disk of a VM. No other process may have it while the VM exists. */
export interface VmDisk {
  /** At most 20 letters, digits and "-": unique in the VM. */
  name: string;
  /** Of a raw image. */
  path: string;
  sizeMiB: number;
}

/** Where a snapshot has its copy of a disk. */
export function savedDiskPath(snapshotFolder: string, name: string): string {
  return `${snapshotFolder}/${savedDisksFolder}/${name}.raw`;
}

/** Of what a VMM writes: its memory, a disk. */
export function largestFileMiB({ memoryMiB, disks = [] }: Pick<VmSpec, 'memoryMiB' | 'disks'>): number {
  return Math.max(memoryMiB, ...disks.map(({ sizeMiB }) => sizeMiB));
}

/** Beside the files of memory and devices. */
export const savedDisksFolder = 'disks';

/** How a VMM ended. */
export interface VmEnd {
  /** Null when it was not this process that started it, or a signal ended it. */
  exitCode: number | null;
  signal: string | null;
  /** Last lines of what the VMM itself said. */
  stderr: string;
  /** Last lines of the guest's console. */
  console: string;
}

export type VmStatus =
  | { state: 'absent' }
  | { state: 'running' | 'paused'; pid: number }
  | { state: 'ended'; end: VmEnd };

export interface VmUsage {
  residentBytes: number;
  cpuTimeMs: number;
  /** Of all its disks since its VMM started; undefined: not counted. */
  disk?: { readBytes: number; writtenBytes: number; reads: number; writes: number } | undefined;
  /** As the guest sees it; undefined: it has no interface. */
  network?: { receivedBytes: number; sentBytes: number } | undefined;
}

/**
 * Every method may be called again with the same result. Errors: `failed_precondition` (the VM is not in a state for it),
 * `unavailable` (it ended, or does not answer), `resource_exhausted`, `deadline_exceeded`.
 */
export interface Driver {
  readonly name: DriverName;
  /** Finds out, once for a host, what executes guest code; waits for that no longer than the probe's own deadline. */
  probe(boot: VmBoot): Promise<Acceleration>;
  /** What `probe` found so far; undefined before. */
  acceleration(): Acceleration | undefined;
  /** How its VMMs are confined, and why not better (empty when they are fully). */
  confinement?(): { level: 'full' | 'namespaces' | 'none'; reason: string };
  /** Why a VM's processor time cannot be limited; empty: it can. */
  limitsUnavailable?(): string;
  /** What a snapshot depends on besides its VmSpec: VMM, version, accelerator, processor. After `probe`. */
  fingerprint(): string;
  /** What the guest finds as the serial number of a disk whose file is there; absent: its name. */
  serialOf?(disk: VmDisk): string;
  /** Throws `invalid_argument` when sockets in such a folder would have too long a path. */
  checkFolder(folder: string): void;
  /** Boots the VM; resolves when its VMM runs, not its guest. */
  start(vm: Vm, spec: VmSpec): Promise<void>;
  /** Starts the VM from what `snapshot` left in `snapshotFolder`; resolves when it runs. */
  restore(vm: Vm, spec: VmSpec, snapshotFolder: string): Promise<void>;
  pause(vm: Vm): Promise<void>;
  resume(vm: Vm): Promise<void>;
  /**
   * Writes memory and devices to `snapshotFolder`, which exists and is empty, but for copies of the VM's disks (`savedDiskPath`)
   * when it has some; then it must be paused. Leaves the VM running or paused as it was.
   */
  snapshot(vm: Vm, snapshotFolder: string): Promise<void>;
  /** A snapshot ends the channel to the guest, some time after it is done. Absent: the channel goes on. */
  readonly snapshotsEndChannels?: true;
  /** So does a resume. */
  readonly resumesEndChannels?: boolean;
  /**
   * Before the file of a disk of a VM that runs is made as large as `disk` says. Throws `failed_precondition` (`GrowsAtStart`)
   * when its VMM may have none so large.
   */
  prepareGrowth?(vm: Vm, disk: VmDisk): Promise<void>;
  /**
   * The file of a disk of a VM that is up was made larger: the guest's device is as large from now on, also in snapshots. Nothing
   * is done when it is known to be.
   * Absent: it is seen at the next start.
   */
  growDisk?(vm: Vm, disk: VmDisk): Promise<void>;
  /** Ends the VMM without asking the guest; resolves when its process is gone. */
  kill(vm: Vm): Promise<void>;
  /** `kill`, then removes what the driver has in the folder. */
  destroy(vm: Vm): Promise<void>;
  /**
   * The byte channel to the guest's agent, as soon as the VMM can make one: `signal` gives up, with its `TimeoutError` as
   * `deadline_exceeded`. At most one is open at a time: a new one ends the one before.
   */
  dial(vm: Vm, signal: AbortSignal): Promise<Duplex>;
  inspect(vm: Vm): Promise<VmStatus>;
  /**
   * Resolves when the VMM ends or `signal` aborts (then undefined). Meanwhile the guest's console output goes to
   * `onConsole`, at a bounded rate; output while nobody watches is lost.
   */
  watch(vm: Vm, onConsole: (data: Uint8Array) => void, signal: AbortSignal): Promise<VmEnd | undefined>;
  usage(vm: Vm): Promise<VmUsage>;
  /** Ends VMMs below `machinesFolder` whose VM is not in `keep`. Returns the ids of what it ended. */
  sweep(machinesFolder: string, keep: ReadonlySet<string>): Promise<string[]>;
}

export function vmNotRunning(vm: Vm, operation: string, state: string): TvmError {
  return new TvmError('failed_precondition', `cannot ${operation} ${vm.id}: it is ${state}`, {
    object: `vm/${vm.id}`,
    reason: 'NotRunning',
  });
}

export function vmUnreachable(vm: Vm, operation: string, cause: unknown): TvmError {
  const detail = cause instanceof Error ? cause.message : String(cause);
  return new TvmError('unavailable', `${operation} of ${vm.id} failed: ${detail}`, {
    cause,
    object: `vm/${vm.id}`,
    reason: 'VmmUnreachable',
  });
}

const maxSocketPathBytes = 107;

/** Throws `invalid_argument` when `folder/longestName` is too long for a Unix socket. */
export function checkSocketPath(folder: string, longestName: string): void {
  const bytes = Buffer.byteLength(`${folder}/${longestName}`);
  if (bytes <= maxSocketPathBytes) return;
  const excess = bytes - maxSocketPathBytes;
  throw new TvmError('invalid_argument', `${folder} is ${excess} bytes too long a path for sockets of machines`, {
    reason: 'PathTooLong',
    hint: 'Set TVM_HOME to a shorter path.',
  });
}
