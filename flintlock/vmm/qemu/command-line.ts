// The arguments of QEMU for one VM: a pure function. Invariant: source and destination of a snapshot get the same devices.
import { tapDescriptor } from '../../network/tap.ts';
import type { Accelerator, VmDisk, VmLimits, VmNetwork, VmSpec } from '../driver.ts';
import { vmNamePrefix } from '../process.ts';
import { vmmFiles } from './files.ts';

export type MemoryBacking =
  /** A file of its own that a snapshot can copy. */
  | { kind: 'file' }
  /** A private copy-on-write view of a snapshot's file. */
  | { kind: 'clone'; path: string };

export interface CommandLineInput {
  id: string;
  spec: VmSpec;
  accelerator: Accelerator;
  memory: MemoryBacking;
  /** False: waits for the state of a snapshot. */
  boots: boolean;
  /** Frequency of the host's time stamp counter, when known. */
  tscKhz: number | undefined;
}

export function qemuArguments(input: CommandLineInput): string[] {
  const { id, spec, accelerator, memory } = input;
  const acpi = spec.boot.needsAcpi ? 'on' : 'off';
  return [
    ...['-name', `guest=${vmNamePrefix}${id},debug-threads=on`],
    ...['-machine', `microvm,acpi=${acpi},rtc=on,pic=on,pit=on,isa-serial=on,memory-backend=mem`],
    ...['-accel', accelerator === 'kvm' ? 'kvm' : 'tcg,thread=multi'],
    ...['-cpu', accelerator === 'kvm' ? 'host' : 'max'],
    ...['-smp', String(spec.cpus), '-m', `${spec.memoryMiB}M`],
    ...['-object', memoryBackend(memory, spec.memoryMiB)],
    ...['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none'],
    ...['-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny'],
    ...['-chardev', socket('qmp', vmmFiles.qmp), '-mon', 'chardev=qmp,mode=control'],
    ...['-chardev', socket('console', vmmFiles.console), '-serial', 'chardev:console'],
    ...['-chardev', socket('agent', vmmFiles.agent), '-device', 'virtio-serial-device'],
    ...['-device', 'virtserialport,chardev=agent,name=tvm.agent'],
    ...['-blockdev', `raw,node-name=root,read-only=on,file.driver=file,file.filename=${escaped(spec.rootDiskPath)}`],
    ...throttle('root', spec.limits, ['read-only=on']),
    ...['-device', `virtio-blk-device,drive=${driveOf('root', spec.limits)}`],
    ...(spec.disks ?? []).flatMap((disk) => diskArguments(disk, spec.limits)),
    ...networkArguments(spec.network),
    ...(input.boots ? bootArguments(input) : ['-incoming', 'defer']),
  ];
}

function isThrottled(limits: VmLimits | undefined): boolean {
  return limits?.diskIops !== undefined || limits?.diskBytesPerSecond !== undefined;
}

/** A name in QEMU has 31 bytes at most, and a disk's 20. */
function slowed(node: string): string {
  return `slow-${node}`;
}

/** What the device of a disk may read and write. */
export function drivesOfDisk(name: string): string[] {
  return [diskNode(name), slowed(diskNode(name))];
}

function diskNode(name: string): string {
  return `disk-${name}`;
}

/** What the guest's device reads and writes: the image, or what slows it down. */
function driveOf(node: string, limits: VmLimits | undefined): string {
  return isThrottled(limits) ? slowed(node) : node;
}

function throttle(node: string, limits: VmLimits | undefined, options: string[] = []): string[] {
  if (!isThrottled(limits)) return [];
  const { diskIops = 0, diskBytesPerSecond = 0 } = limits ?? {};
  const rates = `x-iops-total=${diskIops},x-bps-total=${diskBytesPerSecond}`;
  return [
    ...['-object', `throttle-group,id=${node}-limits,${rates}`],
    ...[
      '-blockdev',
      ['throttle', `node-name=${slowed(node)}`, ...options, `throttle-group=${node}-limits`, `file=${node}`].join(),
    ],
  ];
}

/** QEMU locks the image for as long as it runs; when the host's disk is full the guest gets an error, and does not halt. */
function diskArguments({ name, path }: VmDisk, limits: VmLimits | undefined): string[] {
  const image = `raw,node-name=${diskNode(name)},discard=unmap,file.driver=file,file.locking=on`;
  const onErrors = 'werror=report,rerror=report';
  return [
    ...['-blockdev', `${image},file.filename=${escaped(path)}`],
    ...throttle(diskNode(name), limits),
    ...['-device', `virtio-blk-device,drive=${driveOf(diskNode(name), limits)},serial=${name},${onErrors}`],
  ];
}

/** The host's interface is a descriptor; without one, the VM's is there and nothing is behind it. */
function networkArguments(network: VmNetwork | undefined): string[] {
  if (!network) return [];
  const backend = network.tap === '' ? 'hubport,id=net,hubid=0' : `tap,id=net,fd=${tapDescriptor}`;
  return ['-netdev', backend, '-device', `virtio-net-device,netdev=net,mac=${network.mac}`];
}

function bootArguments(input: CommandLineInput): string[] {
  const { kernelPath, initrdPath } = input.spec.boot;
  return ['-kernel', kernelPath, '-initrd', initrdPath, '-append', kernelCommandLine(input)];
}

function kernelCommandLine({ spec, accelerator, tscKhz }: CommandLineInput): string {
  const clock = tscKhz === undefined ? [] : [`tsc_early_khz=${tscKhz}`, 'tsc=reliable'];
  const emulated = [...clock, 'no_timer_check', 'mitigations=off'];
  return [
    ...['console=ttyS0', 'quiet', 'reboot=t', 'panic=-1'],
    // Entering a control group waits for a grace period: 25 ms of ticks for each process that is started, or none.
    'rcupdate.rcu_expedited=1',
    // A kernel that can make such interfaces makes one by itself.
    'dummy.numdummies=0',
    ...(accelerator === 'kvm' ? [] : emulated),
    ...['tvm.root=/dev/vda', 'tvm.rootfs=squashfs', 'tvm.channel=virtio-serial'],
    ...['tvm.overlay_percent=50', 'tvm.pids=1024'],
    ...(spec.disks && spec.disks.length > 0 ? ['tvm.disks=1'] : []),
    ...spec.boot.kernelArgs,
  ].join(' ');
}

function memoryBackend(memory: MemoryBacking, memoryMiB: number): string {
  const size = `id=mem,size=${memoryMiB}M`;
  if (memory.kind === 'file') return `memory-backend-file,${size},mem-path=${vmmFiles.memory},share=on`;
  return `memory-backend-file,${size},mem-path=${escaped(memory.path)},share=off`;
}

/** Relative: QEMU runs in the folder where they are. */
function socket(id: string, path: string): string {
  return `socket,id=${id},path=${path},server=on,wait=off`;
}

/** A comma ends an option's value unless it is doubled. */
function escaped(path: string): string {
  return path.replaceAll(',', ',,');
}
