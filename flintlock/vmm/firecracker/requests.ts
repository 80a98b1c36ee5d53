// What Firecracker is asked, in order: pure functions from what is wanted to API requests.
// Invariant: everything is configured before InstanceStart; a snapshot is loaded into a process that was asked nothing before.
import type { VmSpec } from '../driver.ts';
import { files } from './files.ts';

export interface ApiRequest {
  method: 'GET' | 'PUT' | 'PATCH';
  path: string;
  body?: unknown;
}

/** Port of the agent in the guest. */
export const agentPort = 1024;
/** Each VM has a vsock of its own, so that one number does for all. */
const guestCid = 3;

export function bootRequests(spec: VmSpec): ApiRequest[] {
  const { cpus, memoryMiB, rootDiskPath, boot } = spec;
  const { kernelPath, initrdPath } = boot;
  const source = { kernel_image_path: kernelPath, initrd_path: initrdPath, boot_args: kernelCommandLine(spec) };
  return [
    { method: 'PUT', path: '/machine-config', body: { vcpu_count: cpus, mem_size_mib: memoryMiB } },
    { method: 'PUT', path: '/boot-source', body: source },
    {
      method: 'PUT',
      path: '/drives/root',
      body: { drive_id: 'root', path_on_host: rootDiskPath, is_root_device: false, is_read_only: true },
    },
    { method: 'PUT', path: '/vsock', body: { guest_cid: guestCid, uds_path: files.vsock } },
    { method: 'PUT', path: '/entropy', body: {} },
    { method: 'PUT', path: '/actions', body: { action_type: 'InstanceStart' } },
  ];
}

/** Maps the snapshot's memory privately, and lets the VM go on. */
export function restoreRequest(statePath: string, memoryPath: string): ApiRequest {
  const memory = { backend_type: 'File', backend_path: memoryPath };
  return {
    method: 'PUT',
    path: '/snapshot/load',
    body: { snapshot_path: statePath, mem_backend: memory, resume_vm: true },
  };
}

/** Of a paused VM. */
export function snapshotRequest(statePath: string, memoryPath: string): ApiRequest {
  const body = { snapshot_type: 'Full', snapshot_path: statePath, mem_file_path: memoryPath };
  return { method: 'PUT', path: '/snapshot/create', body };
}

export const pauseRequest: ApiRequest = { method: 'PATCH', path: '/vm', body: { state: 'Paused' } };
export const resumeRequest: ApiRequest = { method: 'PATCH', path: '/vm', body: { state: 'Resumed' } };
export const inspectRequest: ApiRequest = { method: 'GET', path: '/' };

/** Firecracker adds where its devices are. */
function kernelCommandLine({ boot }: VmSpec): string {
  return [
    ...['console=ttyS0', 'quiet', 'reboot=k', 'panic=-1'],
    ...['rcupdate.rcu_expedited=1', 'dummy.numdummies=0'],
    ...['tvm.root=/dev/vda', 'tvm.rootfs=squashfs', `tvm.channel=vsock:${agentPort}`],
    ...['tvm.overlay_percent=50', 'tvm.pids=1024'],
    ...boot.kernelArgs,
  ].join(' ');
}
