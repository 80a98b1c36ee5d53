// What Firecracker is asked, in order: pure functions from what is wanted to API requests.
// Invariant: everything is configured before InstanceStart; a snapshot is loaded into a process that was asked nothing before.
import type { VmLimits, VmNetwork, VmSpec } from '../driver.ts';
import { diskFile, driveOf } from './disks.ts';
import { files, inputFiles } from './files.ts';
import { tapOf } from './tap-command.ts';

export interface ApiRequest {
  method: 'GET' | 'PUT' | 'PATCH';
  path: string;
  body?: unknown;
}

/** How memory is kept: whether it is known what was written since the last snapshot, and in pages of which size. */
export interface MemoryOptions {
  trackDirtyPages: boolean;
  /** Undefined: in small ones. */
  hugePages: { pager: string } | undefined;
}

/** Port of the agent in the guest. */
export const agentPort = 1024;
/** Each VM has a vsock of its own, so that one number does for all. */
const guestCid = 3;
/**
 * Never inflated: the guest says by itself which of its memory is free, and the host has that back. Pages of 2 MiB stay with the
 * VM: the host has set them apart, and whoever pages them is not told.
 */
const balloon = { amount_mib: 0, deflate_on_oom: false, free_page_reporting: true };
/** Bytes of the host's randomness that a guest may take: at once, and a second. */
const entropyBudget = { size: 64 * 1024, refill_time: 1000, one_time_burst: 1024 * 1024 };

export function bootRequests(spec: VmSpec, memory: MemoryOptions): ApiRequest[] {
  const machine = {
    ...{ vcpu_count: spec.cpus, mem_size_mib: spec.memoryMiB, track_dirty_pages: memory.trackDirtyPages },
    ...(memory.hugePages && { huge_pages: '2M' }),
  };
  const { kernel, initrd, root } = inputFiles;
  const source = { kernel_image_path: kernel, initrd_path: initrd, boot_args: kernelCommandLine(spec) };
  const limited = isLimited(spec) && { rate_limiter: rateLimiter(spec.limits) };
  const drive = { drive_id: rootDrive, path_on_host: root, is_root_device: false, is_read_only: true, ...limited };
  // Written back: what the guest syncs is synced on the host.
  const disks = drivesOf(spec).map((drive_id, index) => ({
    ...{ drive_id, path_on_host: diskFile(index), is_root_device: false, is_read_only: false },
    ...{ cache_type: 'Writeback', ...limited },
  }));
  return [
    { method: 'PUT', path: '/machine-config', body: machine },
    { method: 'PUT', path: '/boot-source', body: source },
    ...[drive, ...disks].map((body) => ({ method: 'PUT' as const, path: `/drives/${body.drive_id}`, body })),
    ...networkRequests(spec.network),
    { method: 'PUT', path: '/vsock', body: { guest_cid: guestCid, uds_path: files.vsock } },
    { method: 'PUT', path: '/entropy', body: { rate_limiter: { bandwidth: entropyBudget } } },
    ...(memory.hugePages ? [] : [{ method: 'PUT' as const, path: '/balloon', body: balloon }]),
    { method: 'PUT', path: '/actions', body: { action_type: 'InstanceStart' } },
  ];
}

const rootDrive = 'root';

/** Of its disks, in their order. */
function drivesOf({ disks = [] }: Pick<VmSpec, 'disks'>): string[] {
  return disks.map((_, index) => driveOf(index));
}

/** Whether what the VM reads from its disks and writes to them is limited. */
export function isLimited({ limits }: Pick<VmSpec, 'limits'>): boolean {
  return limits?.diskIops !== undefined || limits?.diskBytesPerSecond !== undefined;
}

/** Of a VM that was restored: its snapshot may have been of one with other limits, or with none. */
export function limitRequests(spec: Pick<VmSpec, 'limits' | 'disks'>): ApiRequest[] {
  const limiter = rateLimiter(spec.limits);
  return [rootDrive, ...drivesOf(spec)].map((drive_id) => {
    return { method: 'PATCH', path: `/drives/${drive_id}`, body: { drive_id, rate_limiter: limiter } };
  });
}

/** Firecracker opens the file anew, and tells the guest how large it is. */
export function grownRequest(index: number): ApiRequest {
  const body = { drive_id: driveOf(index), path_on_host: diskFile(index) };
  return { method: 'PATCH', path: `/drives/${body.drive_id}`, body };
}

/** One second's worth is the most that is saved up. Firecracker takes a bucket of nothing as no limit. */
function rateLimiter({ diskIops = 0, diskBytesPerSecond = 0 }: VmLimits = {}) {
  const bucket = (size: number) => ({ size, refill_time: size === 0 ? 0 : 1000 });
  return { bandwidth: bucket(diskBytesPerSecond), ops: bucket(diskIops) };
}

const interfaceId = 'net';

function networkRequests(network: VmNetwork | undefined): ApiRequest[] {
  if (!network) return [];
  const body = { iface_id: interfaceId, host_dev_name: tapOf(network), guest_mac: network.mac };
  return [{ method: 'PUT', path: `/network-interfaces/${interfaceId}`, body }];
}

/** Maps the snapshot's memory privately, or has a pager give it in huge pages; lets the VM go on if it is told to. */
export function restoreRequest(
  { network }: Pick<VmSpec, 'network'>,
  memory: MemoryOptions,
  resumes = true,
): ApiRequest {
  const backend = memory.hugePages
    ? { backend_type: 'Uffd', backend_path: files.pager }
    : { backend_type: 'File', backend_path: inputFiles.fromMemory };
  const body = {
    ...{ snapshot_path: inputFiles.fromState, mem_backend: backend, resume_vm: resumes },
    ...(memory.trackDirtyPages && { track_dirty_pages: true }),
    ...(network && { network_overrides: [{ iface_id: interfaceId, host_dev_name: tapOf(network) }] }),
  };
  return { method: 'PUT', path: '/snapshot/load', body };
}

/** Of a paused VM. `Diff`: what was written since the last one, over what the memory file has already. */
export function snapshotRequest(kind: 'Full' | 'Diff', statePath: string, memoryPath: string): ApiRequest {
  const body = { snapshot_type: kind, snapshot_path: statePath, mem_file_path: memoryPath };
  return { method: 'PUT', path: '/snapshot/create', body };
}

/**
 * Cannot be written, and is refused when its state has been collected: by then the guest has a message that its vsock was reset.
 */
export const resetRequest = snapshotRequest('Full', 'nowhere/state', 'nowhere/memory');
export const pauseRequest: ApiRequest = { method: 'PATCH', path: '/vm', body: { state: 'Paused' } };
export const resumeRequest: ApiRequest = { method: 'PATCH', path: '/vm', body: { state: 'Resumed' } };
/** Tells in the pipe of metrics what came since it last did. */
export const tellRequest: ApiRequest = { method: 'PUT', path: '/actions', body: { action_type: 'FlushMetrics' } };
export const inspectRequest: ApiRequest = { method: 'GET', path: '/' };

/** Firecracker adds where its devices are. */
function kernelCommandLine({ boot, disks = [] }: VmSpec): string {
  return [
    ...['console=ttyS0', 'quiet', 'reboot=k', 'panic=-1'],
    ...['rcupdate.rcu_expedited=1', 'dummy.numdummies=0'],
    ...['tvm.root=/dev/vda', 'tvm.rootfs=squashfs', `tvm.channel=vsock:${agentPort}`],
    ...['tvm.overlay_percent=50', 'tvm.pids=1024'],
    ...(disks.length > 0 ? ['tvm.disks=1'] : []),
    ...boot.kernelArgs,
  ].join(' ');
}
